/** A process that attaches to the running embedded server and prints how long that took. */

import { embeddedServer } from '../typescript/dist/database/embedded/index.js';

const begun = performance.now();
const server = await embeddedServer();
console.log((performance.now() - begun) / 1000);
await server.detach();
