/*
 * bench/grpc.js: runs a second through Hatchet's SDK for TypeScript (grpc-js), as it is.
 *
 * Two processes: a worker whose task puts out its input, and this one, with so many runs under way.
 * A run's time is from the call of run() to its result. Closed loop: the end of a run starts the
 * next; what ended in the time that counts is counted. Prints one JSON object, as bench/grpc does.
 *
 *     HATCHET_CLIENT_TOKEN=... NODE_PATH=... node grpc.js INFLIGHT SECONDS WARMUP PAYLOAD
 */
'use strict';
const assert = require('node:assert/strict');
const { fork } = require('node:child_process');

process.env.HATCHET_CLIENT_LOG_LEVEL = 'ERROR'; /* lines for each task are no part of what is measured */
process.env.HATCHET_CLIENT_TLS_STRATEGY = 'none';
const { HatchetClient } = require('@hatchet-dev/typescript-sdk');

const define = (hatchet) => hatchet.task({ name: 'bench-grpc-js', fn: (input) => input });

async function work(slots) {
  const hatchet = HatchetClient.init();
  const worker = await hatchet.worker('bench-grpc-js', { slots, workflows: [define(hatchet)] });
  process.on('disconnect', () => process.exit(1)); /* nobody is left to work for */
  process.on('message', async () => {
    await worker.stop();
    process.exit(0);
  });
  void worker.start();
  await worker.waitUntilReady(60000);
  process.send('ready');
}

function percentile(sorted, percent) {
  return sorted.length === 0 ? 0 : sorted[Math.ceil((percent / 100) * sorted.length) - 1];
}

async function measure(inflight, seconds, warmup, payload) {
  const task = define(HatchetClient.init());
  const begin = performance.now() + warmup * 1000;
  const end = begin + seconds * 1000;
  const took = [];
  let total = 0;
  async function loop(number) {
    const input = { p: String(number).padStart(payload - 8, 'x') };
    for (let started = performance.now(); started < end;) {
      assert.deepEqual(await task.run(input), input);
      const now = performance.now();
      total += 1;
      if (now >= begin && now < end) took.push(now - started);
      started = now;
    }
  }
  await Promise.all(Array.from({ length: inflight }, (_, number) => loop(number)));
  took.sort((a, b) => a - b);
  const us = (percent) => Number((percentile(took, percent) * 1000).toFixed(1));
  console.log(JSON.stringify({
    inflight, tasks: 1, seconds, count: took.length, total,
    rate: Number((took.length / seconds).toFixed(1)), p50_us: us(50), p90_us: us(90), p99_us: us(99),
  }));
}

async function main() {
  const [inflight, seconds, warmup, payload] = process.argv.slice(2).map(Number);
  if (process.send) {
    await work(inflight);
    return;
  }
  const worker = fork(__filename, process.argv.slice(2), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const over = new Promise((resolve) => worker.on('exit', resolve));
  await Promise.race([
    new Promise((resolve) => worker.once('message', resolve)),
    over.then(() => { throw new Error('the worker ended before it was ready'); }),
  ]);
  await measure(inflight, seconds, warmup, payload);
  worker.send('stop');
  await over;
  process.exit(0); /* streams of the SDK stay open */
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
