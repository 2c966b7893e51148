/*
 * tests/hatchet/ts/embedded: node embedded.js DIR VALUE stop|die [PORT PORT]
 *
 * A program with an engine of its own (HATCHET_CLIENT_EMBEDDED_BINARY_PATH) on DIR. Runs a task with
 * VALUE and prints {"out", "earlier"}: the result, and the values of all runs before it. Then it stops
 * the engine, or dies without a word.
 */
'use strict';
const { HatchetEmbeddedClient } = require('@hatchet-dev/typescript-sdk/v1/embedded');

async function earlier(hatchet) {
  const list = await hatchet.runs.list({ since: new Date(0), includePayloads: true });
  return list.rows.map((row) => row.input?.input?.v ?? row.input?.v).sort();
}

async function main() {
  const [dir, value, end, grpc, api] = process.argv.slice(2);
  const hatchet = await HatchetEmbeddedClient.init({
    postgresDataDir: dir,
    databaseUrl: 'postgres://nobody:secret@127.0.0.1:1/none',
    ...(grpc ? { grpcPort: Number(grpc), apiPort: Number(api) } : {}),
  });
  const before = await earlier(hatchet);
  const double = hatchet.task({ name: 'ts-embedded', fn: (input) => ({ v: input.v * 2 }) });
  const worker = await hatchet.worker('ts-embedded', { workflows: [double] });
  void worker.start();
  await worker.waitUntilReady(60000);
  const out = await double.run({ v: Number(value) });
  console.log(`RESULT ${JSON.stringify({ out, earlier: before })}`);
  if (end === 'die') process.kill(process.pid, 'SIGKILL');
  await worker.stop();
  await hatchet.stopEmbedded();
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
