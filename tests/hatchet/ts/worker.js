/*
 * tests/hatchet/ts/worker: node worker.js NAME SLOTS WORKFLOW...
 *
 * Says "ready" on standard output once it is registered; stops in good order at SIGTERM.
 */
'use strict';
const { HatchetClient } = require('@hatchet-dev/typescript-sdk');
const { define } = require('./workflows');

async function main() {
  const [name, slots, ...wanted] = process.argv.slice(2);
  const hatchet = HatchetClient.init();
  const all = define(hatchet);
  const worker = await hatchet.worker(name, {
    slots: Number(slots),
    workflows: wanted.map((each) => all[each]),
    handleKill: true,
  });
  const stopped = worker.start();
  await worker.waitUntilReady(60000);
  console.log('ready');
  await stopped;
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
