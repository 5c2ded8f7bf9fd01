/**
 * Every error that Timestep raises by itself.
 *
 * TimestepError
 * ├── ConfigurationError          a setting or argument that cannot be used as given
 * ├── DatabaseUnavailableError    no PostgreSQL, or one that refuses us or does not answer
 * ├── DatabaseTooNewError         the schema was changed by a newer, incompatible Timestep
 * ├── RunStateNotFoundError       nothing is saved for this session
 * ├── StateConflictError          another process resumed or saved this run state first
 * ├── NotPortableError            this run cannot be continued in the other language
 * ├── AgentMismatchError          the agent or tool that a saved run needs is missing or changed
 * ├── RunOwnershipLostError       another process executes this durable run now, or it was ended
 * ├── ApprovalConflictError       somebody else decided first, or the approval has expired
 * ├── ArgumentsChangedError       a call's arguments are not those that were approved
 * └── NotDurableError             this run holds something that cannot be recorded or recovered
 *
 * Errors of the OpenAI Agents SDK and of the model clients pass through unchanged.
 */

/** The base of every error that Timestep raises by itself. */
export class TimestepError extends Error {
  constructor(message?: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A setting or an argument cannot be used as it was given. */
export class ConfigurationError extends TimestepError {}

/** No PostgreSQL could be reached, or it refused or did not answer in time. */
export class DatabaseUnavailableError extends TimestepError {}

/** The database was migrated by a newer Timestep that this one cannot work with. */
export class DatabaseTooNewError extends TimestepError {}

/** No run state is saved under this session id in this database. */
export class RunStateNotFoundError extends TimestepError {}

/** Another process resumed or saved this run state first; nothing was changed. */
export class StateConflictError extends TimestepError {}

/** The run holds something that the other language cannot continue. */
export class NotPortableError extends TimestepError {}

/** An agent or tool that the saved run needs is missing, or its arguments have changed. */
export class AgentMismatchError extends TimestepError {}

/** Another process executes this durable run now, or it was ended; this one stops. */
export class RunOwnershipLostError extends TimestepError {}

/** The approval was decided on before, or it has expired; nothing was changed. */
export class ApprovalConflictError extends TimestepError {}

/** The arguments of a call are not those that were approved; the tool was not called. */
export class ArgumentsChangedError extends TimestepError {}

/** The run holds something that cannot be recorded or recovered, so it is refused. */
export class NotDurableError extends TimestepError {}
