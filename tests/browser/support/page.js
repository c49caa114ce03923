// A page that uses the client; the settings are in its address, so that a reload keeps them.

import { createClient } from "/relatch.js";

const { baseUrl, mode, storage } = Object.fromEntries(new URLSearchParams(location.search));
if (baseUrl) {
  let elapsed = 0;
  const relatch = createClient({
    baseUrl,
    mode,
    storage,
    origins: [baseUrl],
    // For this client time may pass: its access token expires, the server's clock stands.
    environment: { now: () => performance.now() + elapsed, wall: () => Date.now() + elapsed },
  });
  const events = [];
  relatch.onChange((event) => events.push(event));
  Object.assign(globalThis, {
    relatch,
    events,
    advanceClock: (seconds) => {
      elapsed += seconds * 1000;
    },
  });
}
