/**
 * Where an Ollama model runs: this machine, a given host or Ollama Cloud.
 *
 * A name that ends in `-cloud` or `:cloud` means Ollama Cloud. The key in OLLAMA_API_KEY goes
 * there and to no other host.
 */

import { isIP } from 'node:net';
import { UserError } from '@openai/agents';
import { ConfigurationError } from '../errors.ts';
import { text } from '../settings.ts';

const CLOUD = 'https://ollama.com';
const LOCAL = 'http://localhost:11434';
/** The client insists on a key; a local server ignores it. */
const NO_KEY = 'ollama';
const PORTS: Record<string, string> = { http: '80', https: '443' };
const CLOUD_SUFFIX = /[-:]cloud$/i;

/** The host, the model's name there and the key that is sent along. */
export type Destination = { root: string; model: string; key: string; cloud: boolean };

/** What a provider was told about where its models run. */
export type Route = {
  apiKey?: string | undefined;
  baseURL?: string | undefined;
  /** Whether a plain name goes to Ollama Cloud when a key was passed. */
  keyMeansCloud: boolean;
};

/**
 * Where the model runs.
 *
 * @param name - The model's name without a provider prefix, for example "gpt-oss:20b-cloud".
 * @throws UserError when there is no name, or Ollama Cloud is meant and there is no key.
 * @throws ConfigurationError when the host cannot be read.
 */
export function findDestination(name: string | undefined, route: Route): Destination {
  if (!name?.replace(CLOUD_SUFFIX, '')) {
    throw new UserError(
      `'${name ?? ''}' names no Ollama model: write one, for example 'gpt-oss:20b'.`,
    );
  }
  const root = findRoot(name, route);
  if (!isCloudHost(root)) {
    return { root, model: name, key: (route.baseURL && route.apiKey) || NO_KEY, cloud: false };
  }
  const key = route.apiKey || text('OLLAMA_API_KEY');
  if (!key) {
    throw new UserError(
      `'${name}' runs on Ollama Cloud, which needs a key and there is none: set OLLAMA_API_KEY ` +
        `or pass apiKey. To go through a local Ollama that is signed in, pass baseURL: '${LOCAL}'.`,
    );
  }
  return { root, model: name.replace(CLOUD_SUFFIX, ''), key, cloud: true };
}

function findRoot(name: string, { apiKey, baseURL, keyMeansCloud }: Route): string {
  if (baseURL) return parseHost(baseURL, 'baseURL');
  if (isCloudName(name) || (apiKey && keyMeansCloud)) return CLOUD;
  return parseHost(text('OLLAMA_HOST') ?? LOCAL, 'OLLAMA_HOST');
}

/** Whether a model's name means Ollama Cloud. */
export function isCloudName(name: string): boolean {
  return CLOUD_SUFFIX.test(name);
}

function isCloudHost(root: string): boolean {
  return /^https:\/\/([^/]+\.)?ollama\.com$/.test(root);
}

/**
 * A host as scheme, name and port, read as Ollama's own clients read OLLAMA_HOST.
 *
 * @param value - For example "0.0.0.0", "box:8080", "https://box/ollama" or "[::1]".
 * @param source - The name of the setting or option, for the error.
 * @throws ConfigurationError when the value is no http or https host.
 */
export function parseHost(value: string, source: string): string {
  const [, written, rest = ''] = /^(?:([^:/]*):\/\/)?(.*)$/s.exec(value.trim()) ?? [];
  const scheme = (written ?? 'http').toLowerCase();
  const parts = /^(?:[^@/]*@)?(\[[^\]/]*\]|[^:/?#]*)(?::(\d*))?([/?#].*)?$/s.exec(bracketed(rest));
  const host = reachable((parts?.[1] || '127.0.0.1').toLowerCase());
  const port = Number(parts?.[2] || 0) || Number(written ? PORTS[scheme] : 11434);
  if (!parts || !host || !PORTS[scheme] || port > 65_535) {
    throw new ConfigurationError(
      `${source} is no http or https host with a port up to 65535. ` +
        "Write it as in 'http://localhost:11434'.",
    );
  }
  // Never in the clear: a key goes there.
  if (host === 'ollama.com' || host.endsWith('.ollama.com')) return `https://${host}`;
  const shown = port === Number(PORTS[scheme]) ? '' : `:${port}`;
  const path = (parts[3] ?? '')
    .replace(/[?#].*$/s, '')
    .replace(/\/+$/, '')
    .replace(/\/v1$/, '');
  return `${scheme}://${host}${shown}${path}`;
}

/** A bare IPv6 address gets the brackets that it needs before a port. */
function bracketed(rest: string): string {
  return /^[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*$/i.test(rest) ? `[${rest}]` : rest;
}

/** A listening address as one that can be called, or undefined when it is no host. */
function reachable(host: string): string | undefined {
  if (host.startsWith('[')) {
    const address = host.slice(1, -1);
    if (isIP(address) !== 6) return undefined;
    return /^[0:]+$/.test(address) ? '[::1]' : host;
  }
  if (host === '0.0.0.0') return '127.0.0.1';
  return /^[a-z0-9_.-]+$/.test(host) ? host : undefined;
}
