// node storing nothing, AT_ONCE requests at once: send.mjs URL BODIES WARM pool|fetch
import { AT_ONCE, bodies, clients, measured } from './common.mjs';

const [url, file, warm, name] = process.argv.slice(2);
const events = bodies(file);
const post = clients[name](url);

async function send(count) {
  let next = 0;

  async function line() {
    while (next < count)
      await post(events[next++ % events.length]);
  }
  await Promise.all(Array.from({ length: AT_ONCE }, line));
}

await measured(() => send(Number(warm)), () => send(events.length));
