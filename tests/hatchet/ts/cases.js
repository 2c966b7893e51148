/*
 * tests/hatchet/ts/cases: node cases.js [CASE...]: Hatchet's SDK for TypeScript against froe.
 *
 * The token and the address in it come from HATCHET_CLIENT_TOKEN. HATCHET_TEST_ENGINE names a
 * command that ends the engine by kill -9 and starts it again; without it engine-restart and
 * durable-restart are skipped. Workers are processes of their own (worker.js). A line for each case, then
 * "N passed, N failed". Bounds of time are generous and only ever from below where order counts.
 */
'use strict';
const assert = require('node:assert/strict');
const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { HatchetClient, Priority, RateLimitDuration } = require('@hatchet-dev/typescript-sdk');
const { define, needs, sleep } = require('./workflows');

const CASE_MS = 90000;
const tmp = fs.mkdtempSync(path.join(os.tmpdir(), 'froe-hatchet-ts-'));
let hatchet;
let w;
let files = 0;

/* A name that no file has yet. */
function fresh() {
  files += 1;
  return path.join(tmp, `f${files}`);
}

function lines(file) {
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').trim().split('\n') : [];
}

async function until(what, condition) {
  for (;;) {
    const value = await condition();
    if (value) return value;
    await sleep(50);
    if (until.over) throw new Error(`waiting ${what}`);
  }
}

async function rejected(promise) {
  try {
    await promise;
  } catch (error) {
    return Array.isArray(error) ? error.join('; ') : String(error?.message ?? error);
  }
  throw new Error('the run did not fail');
}

async function status(id, wanted) {
  await until(`for ${id} to be ${wanted}`, async () => {
    const now = await hatchet.runs.get_status(id);
    return now === wanted;
  });
}

/* What becomes of a run's tasks, and of the run. */
async function followed(id) {
  const events = [];
  for await (const event of (await hatchet.listener.stream(id))) events.push(event);
  return events;
}

async function many(flow, input, additionalMetadata) {
  const ids = [];
  for (let i = 0; i < 3; i += 1) {
    const run = await flow.runNoWait(input, { additionalMetadata });
    ids.push(await run.getWorkflowRunId());
  }
  return ids;
}

/* ------------------------------------------------------------------------------------ workers */

const workers = new Set();

async function workerStart(name, slots, wanted) {
  const log = path.join(tmp, `${name}-${workers.size}.log`);
  const child = spawn(
    process.execPath,
    [path.join(__dirname, 'worker.js'), name, String(slots), ...wanted],
    { stdio: ['ignore', 'pipe', fs.openSync(log, 'a')] }
  );
  const worker = { child, log, output: '' };
  worker.over = new Promise((resolve) => child.on('exit', resolve));
  child.on('exit', () => workers.delete(worker));
  workers.add(worker);
  await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the worker was not ready in 60 s')), 60000);
    child.stdout.on('data', (data) => {
      fs.appendFileSync(log, data);
      worker.output += data;
      if (!/^ready$/m.test(worker.output)) return;
      clearTimeout(timer);
      resolve();
    });
    child.on('exit', (code) => reject(new Error(`the worker ended with status ${code}`)));
  }).catch((error) => {
    const said = fs.readFileSync(log, 'utf8').trim().split('\n').slice(-8).join('\n    ');
    throw new Error(`${error.message}; the end of its log:\n    ${said}`);
  });
  return worker;
}

async function workerStop(worker, signal = 'SIGTERM') {
  worker.child.kill(signal);
  await worker.over;
}

/* ------------------------------------------------------------------------------------ embedded */

/* A port that nobody has, for now. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/* What a run of embedded.js says. */
async function embedded(dir, value, end, ...ports) {
  const child = spawn(
    process.execPath,
    [path.join(__dirname, 'embedded.js'), dir, String(value), end, ...ports.map(String)],
    {
      stdio: ['ignore', 'pipe', fs.openSync(path.join(tmp, `embedded-${value}.log`), 'a')],
      env: {
        ...process.env,
        HATCHET_CLIENT_TOKEN: '',
        HATCHET_CLIENT_EMBEDDED_BINARY_PATH: path.join(
          path.dirname(process.env.FROE_BIN), 'froe-hatchet-embedded'
        ),
      },
    }
  );
  let said = '';
  child.stdout.on('data', (data) => { said += data; });
  await new Promise((resolve) => child.on('close', resolve));
  const found = /^RESULT (.*)$/m.exec(said);
  if (!found) throw new Error(`embedded.js ended with ${child.exitCode ?? child.signalCode}`);
  assert.equal(child.signalCode, end === 'die' ? 'SIGKILL' : null);
  const { out, earlier } = JSON.parse(found[1]);
  return { out, earlier };
}

/* -------------------------------------------------------------------------------------- cases */

const cases = {
  async simple() {
    const out = await w.simple.run({ msg: 'hi' }, { additionalMetadata: { k: 'v' } });
    assert.equal(out.msg, 'HI');
    assert.equal(out.meta.k, 'v');
  },

  async dag() {
    const out = await w.dag.run({ v: 1 });
    assert.deepEqual(out, { a: { v: 2 }, B: { v: 20 }, c: { v: 200 }, d: { v: 220 } });
  },

  async retries() {
    const file = fresh();
    assert.deepEqual(await w.flaky.run({ file }), { tries: 2 });
    const times = lines(file).map(Number);
    assert.equal(times.length, 3);
    assert.ok(times[2] - times[0] >= 1900, 'a second before each retry');
  },

  async 'non-retryable'() {
    const file = fresh();
    assert.match(await rejected(w.hopeless.run({ file })), /no use/);
    assert.equal(lines(file).length, 1);
  },

  async 'on-failure'() {
    const file = fresh();
    assert.match(await rejected(w.failing.run({ file })), /it broke/);
    await until('for the on-failure task', () => lines(file).length > 0);
    assert.match(JSON.parse(lines(file)[0]).breaks, /it broke/);
  },

  async timeout() {
    const file = fresh();
    await rejected(w.late.run({ file }));
    await until('for the abort', () => lines(file).length === 2);
    assert.deepEqual(lines(file), ['began', 'aborted']);
  },

  async refresh() {
    assert.deepEqual(await w.refreshed.run({}), { done: true });
  },

  async cancel() {
    const file = fresh();
    const run = await w.endless.runNoWait({ file });
    const id = await run.getWorkflowRunId();
    await until('for the start', () => lines(file).length === 1);
    await hatchet.runs.cancel({ ids: [id] });
    await until('for the abort', () => lines(file).length === 2);
    await status(id, 'CANCELLED');
  },

  async 'cancel-task'() {
    const run = await w.quitting.runNoWait({});
    await rejected(run.output);
    const id = await run.getWorkflowRunId();
    await status(id, 'CANCELLED');
    const { tasks } = await hatchet.runs.get(id);
    const found = Object.fromEntries(tasks.map((each) => [each.displayName, each.status]));
    assert.deepEqual(found, { quits: 'CANCELLED', after: 'CANCELLED', goes: 'COMPLETED' });
  },

  async children() {
    const out = await w.fan.run({ n: 20 });
    assert.deepEqual(out, { one: 14, many: 2470 });
  },

  async 'children-retry'() {
    const file = fresh();
    assert.deepEqual(await w.spawner.run({ file }), { v: 7, tries: 1 });
    assert.equal(lines(file).length, 1, 'the child ran once');
  },

  async bulk() {
    const inputs = Array.from({ length: 1000 }, (_, v) => ({ v }));
    const out = await w.square.run(inputs);
    assert.equal(out.length, 1000);
    out.forEach((each, v) => assert.equal(each.v, v * v));
  },

  async events() {
    const one = await hatchet.events.push('ts:one', { a: 1 }, { additionalMetadata: { k: 'v' } });
    assert.match(one.eventId, /^[0-9a-f-]{36}$/);
    assert.equal(one.key, 'ts:one');
    const many = await hatchet.events.bulkPush('ts:many', [
      { payload: { a: 1 } },
      { payload: { a: 2 } },
      { payload: { a: 3 } },
    ]);
    assert.equal(new Set(many.events.map((event) => event.eventId)).size, 3);
    /* At once: a list never lags behind what its caller has been told. */
    const { rows } = await hatchet.events.list({
      eventIds: [one.eventId],
      additionalMetadata: ['k:v'],
    });
    assert.deepEqual(rows.map(({ key, payload }) => [key, payload]), [['ts:one', { a: 1 }]]);
    assert.deepEqual(rows[0].additionalMetadata, { k: 'v' });
    const page = await hatchet.events.list({ keys: ['ts:many', 'ts:none'], limit: 2 });
    assert.deepEqual(page.rows.map(({ payload }) => payload.a), [3, 2]);
  },

  async logs() {
    const { task } = await w.logs.run({});
    const rows = await until('for three lines', async () => {
      const list = await hatchet.logs.list(task);
      return (list.rows ?? []).length >= 3 && list.rows;
    });
    for (const word of ['one', 'two', 'three'])
      assert.ok(rows.some((row) => row.message.includes(`line ${word}`)), word);
  },

  async streaming() {
    const file = fresh();
    const run = await w.stream.runNoWait({ file, n: 50 });
    let text = '';
    const id = await run.getWorkflowRunId();
    setTimeout(() => fs.writeFileSync(file, ''), 500);
    for await (const chunk of hatchet.runs.subscribeToStream(id)) text += chunk;
    assert.equal(text, Array.from({ length: 50 }, (_, i) => `${i};`).join(''));
  },

  async priority() {
    const file = fresh();
    const gate = fresh();
    const worker = await workerStart('ts-one-slot', 1, ['queued']);
    const first = w.queued.run({ file, gate, name: 'first' });
    await until('for the first to have the slot', () => lines(file).length === 1);
    const runs = [];
    for (const [name, priority] of [
      ['low', Priority.LOW],
      ['low', Priority.LOW],
      ['high', Priority.HIGH],
      ['high', Priority.HIGH],
    ]) {
      const run = await w.queued.runNoWait({ file, name }, { priority });
      await run.getWorkflowRunId();
      runs.push(run);
    }
    fs.writeFileSync(gate, '');
    await first;
    await Promise.all(runs.map((run) => run.result()));
    await workerStop(worker);
    assert.deepEqual(lines(file), ['first', 'high', 'high', 'low', 'low']);
  },

  async 'durable-sleep'() {
    const file = fresh();
    const begun = Date.now();
    assert.deepEqual(await w.nap.run({ file, sleep: '2s' }), { slept: true, v: 81 });
    assert.ok(Date.now() - begun >= 1900);
  },

  async 'durable-event'() {
    const key = `ts:waited:${process.pid}`;
    const result = w.waiter.run({ key });
    let over = false;
    result.finally(() => {
      over = true;
    }).catch(() => {});
    await until('for the event to be heard', async () => {
      if (!over) await hatchet.events.push(key, { answer: 42 });
      await sleep(200);
      return over;
    });
    assert.match(JSON.stringify((await result).event), /"answer":42/);
  },

  async memo() {
    const file = fresh();
    const run = await w.keeps.runNoWait({ file });
    const out = await run.output;
    const first = { tries: 0 };
    assert.deepEqual([out.first, out.one, out.two, out.tries], [first, first, first, 1]);
    /* Replayed, it goes on from what it has kept. */
    await run.replay();
    assert.deepEqual(await run.output, { ...out, tries: 2 });
    assert.deepEqual(lines(file).sort(), ['first', 'one', 'two']);
    assert.ok(out.now < Date.now());
  },

  async 'durable-children'() {
    const file = fresh();
    const out = await w.parent.run({ file, n: 150 });
    assert.deepEqual(out.once, { v: 7 });
    assert.equal(out.sum, 1113775);
    assert.deepEqual(out.dag, { a: { v: 6 }, B: { v: 60 }, c: { v: 600 }, d: { v: 660 } });
    assert.match(out.error, /no use/);
    /* The children of the first attempt are those of the second. */
    assert.deepEqual(lines(file).sort(), ['began', 'child']);
  },

  /* Off its worker while it waits, and back when what it waits for has come. */
  async eviction() {
    const file = fresh();
    const key = `ts:parked:${process.pid}`;
    const run = await w.parked.runNoWait({ file, key });
    const id = await run.getWorkflowRunId();
    await until('for the eviction', async () =>
      (await hatchet.runs.getDetails(id)).isEvicted);
    await hatchet.events.push(key, { answer: 42 });
    const out = await run.output;
    assert.equal(out.first, 1);
    assert.deepEqual(out.found, { CREATE: { [key]: [{ answer: 42 }] } });
    /* More than two if the worker was taken for lost meanwhile. */
    assert.ok(out.invocation >= 2);
    assert.deepEqual(lines(file), Array.from({ length: out.invocation }, (_, i) => `${i + 1}`));
  },

  async nondeterminism() {
    const file = fresh();
    const text = await rejected(w.wavers.run({ file }));
    assert.match(text, /sleep 1000 ms/);
    assert.match(text, /child ts-square/);
    /* Each attempt after the first is told, and might do something else about it. */
    assert.deepEqual(lines(file), Array(3).fill('NonDeterminismError'));
  },

  /* The engine is killed while a task waits; its worker stays up. */
  async 'durable-restart'() {
    const file = fresh();
    const key = `ts:patient:${process.pid}`;
    const run = await w.patient.runNoWait({ file, key });
    await until('for the wait', () => lines(file).length === 1);
    await sleep(300);
    execFileSync('/bin/sh', ['-c', process.env.HATCHET_TEST_ENGINE], { stdio: 'inherit' });
    await hatchet.events.push(key, { answer: 42 });
    assert.deepEqual(await run.output, { found: { CREATE: { [key]: [{ answer: 42 }] } } });
  },

  async details() {
    const run = await w.dag.runNoWait({ v: 5 });
    const id = await run.getWorkflowRunId();
    await run.result();
    const details = await hatchet.runs.getDetails(id);
    assert.equal(details.status, 'COMPLETED');
    assert.equal(details.done, true);
    assert.deepEqual(Object.keys(details.taskRuns).sort(), ['B', 'a', 'c', 'd']);
    assert.equal(details.taskRuns.d.status, 'COMPLETED');
    assert.deepEqual(details.taskRuns.d.output, { v: 660 });
  },

  async list() {
    const mark = `m${process.pid}`;
    const run = await w.simple.runNoWait({ msg: 'x' }, { additionalMetadata: { mark } });
    const id = await run.getWorkflowRunId();
    await run.result();
    /* At once: a list never lags behind what its caller has been told. */
    const { rows } = await hatchet.runs.list({ additionalMetadata: { mark } });
    assert.equal(rows.length, 1);
    assert.equal(rows[0].workflowRunExternalId, id);
    assert.equal(rows[0].status, 'COMPLETED');
    assert.ok(Date.parse(rows[0].finishedAt) >= Date.parse(rows[0].startedAt));
    const one = await hatchet.runs.get(id);
    assert.equal(one.run.status, 'COMPLETED');
  },

  async replay() {
    const file = fresh();
    const run = await w.gated.runNoWait({ file });
    const id = await run.getWorkflowRunId();
    assert.match(await rejected(run.result()), /not yet/);
    fs.writeFileSync(file, '');
    await hatchet.runs.replay({ ids: [id] });
    await status(id, 'COMPLETED');
    assert.deepEqual((await hatchet.runs.getDetails(id)).taskRuns['ts-gated'].output, { v: 1 });
  },

  async unknown() {
    assert.match(await rejected(hatchet.run('ts-nobody-has-this', {})), /ts-nobody-has-this/);
  },

  async 'on-event'() {
    const file = fresh();
    await hatchet.events.push(
      'ts:made:order',
      { file, name: 'one' },
      { additionalMetadata: { k: 'v' } }
    );
    await hatchet.events.push('ts:unmade:order', { file, name: 'no' });
    await hatchet.events.push('ts:made:', { file, name: 'two' });
    await until('for two runs', () => lines(file).length >= 2);
    assert.deepEqual(lines(file).sort(), ['one v', 'two undefined']);
    const { rows } = await hatchet.events.list({ keys: ['ts:made:order'], limit: 1 });
    assert.equal(rows[0].triggeredRuns.length, 1);
    const started = await hatchet.runs.list({
      triggeringEventExternalId: rows[0].metadata.id,
    });
    assert.deepEqual(
      started.rows.map((run) => run.workflowRunExternalId),
      rows[0].triggeredRuns.map((run) => run.workflowRunId)
    );
  },

  async exhausted() {
    const file = fresh();
    const run = await w.doomed.runNoWait({ file });
    const id = await run.getWorkflowRunId();
    assert.match(await rejected(run.result()), /doomed/);
    assert.equal(lines(file).length, 3);
    const events = await followed(id);
    assert.deepEqual(
      events.map(({ type }) => type.replace('_RUN_EVENT_TYPE', '')),
      [1, 2, 3].flatMap(() => ['STEP_STARTED', 'STEP_FAILED']).concat('WORKFLOW_FAILED')
    );
    assert.match(events[5].payload, /doomed/);
  },

  async 'step-events'() {
    const run = await w.square.runNoWait({ v: 3 });
    const id = await run.getWorkflowRunId();
    const events = await followed(id);
    assert.deepEqual(
      events.map(({ type }) => type.replace('_RUN_EVENT_TYPE', '')),
      ['STEP_STARTED', 'STEP_COMPLETED', 'WORKFLOW_COMPLETED']
    );
    assert.deepEqual(JSON.parse(events[1].payload), { v: 9 });
    assert.notEqual(events[1].resourceId, id);
    assert.equal(events[2].resourceId, id);
  },

  async 'release-slot'() {
    const file = fresh();
    const path = fresh();
    const worker = await workerStart('ts-releasing', 1, ['released']);
    const first = w.released.run({ file, gate: path });
    await until('for the start', () => lines(file).length === 1);
    assert.deepEqual(await w.released.run({}), { v: 2 });
    fs.writeFileSync(path, '');
    assert.deepEqual(await first, { v: 1 });
    await workerStop(worker);
  },

  async 'rate-limit'() {
    const key = `ts-limit-${process.pid}`;
    for (const limit of [5, 7])
      await hatchet.ratelimits.upsert({ key, limit, duration: RateLimitDuration.MINUTE });
    const { rows } = await hatchet.ratelimits.list({ search: key });
    assert.deepEqual(
      rows.map((row) => [row.key, row.limitValue, row.window]),
      [[key, 7, 'MINUTE']]
    );
  },

  async 'cancel-many'() {
    const file = fresh();
    const mark = `c${process.pid}`;
    const ids = await many(w.endless, { file }, { mark });
    await until('for the starts', () => lines(file).length === 3);
    await hatchet.runs.cancel({
      filters: { additionalMetadata: { mark }, workflowNames: ['ts-endless'] },
    });
    for (const id of ids) await status(id, 'CANCELLED');
  },

  async 'replay-many'() {
    const file = fresh();
    const mark = `r${process.pid}`;
    const ids = await many(w.gated, { file }, { mark });
    for (const id of ids) await status(id, 'FAILED');
    fs.writeFileSync(file, '');
    await hatchet.runs.replay({
      filters: { additionalMetadata: { mark }, statuses: ['FAILED'] },
    });
    for (const id of ids) await status(id, 'COMPLETED');
  },

  async 'worker-restart'() {
    const file = fresh();
    const gate = fresh();
    const first = await workerStart('ts-held-1', 5, ['held']);
    const run = w.held.run({ file, gate });
    await until('for the start', () => lines(file).length === 1);
    await workerStop(first, 'SIGKILL'); /* without a word */
    const second = await workerStart('ts-held-2', 5, ['held']);
    await until('for another attempt', () => lines(file).length === 2);
    fs.writeFileSync(gate, '');
    assert.equal((await run).pid, second.child.pid);
    await workerStop(second); /* in good order: the next run waits for the next worker */
    const next = w.held.run({ file, gate });
    const third = await workerStart('ts-held-3', 5, ['held']);
    assert.equal((await next).pid, third.child.pid);
    await workerStop(third);
  },

  /* Each program starts an engine for itself, on the same directory. */
  async embedded() {
    const dir = path.join(fresh(), 'data');
    assert.deepEqual(await embedded(dir, 1, 'stop'), { out: { v: 2 }, earlier: [] });
    assert.deepEqual(await embedded(dir, 2, 'die'), { out: { v: 4 }, earlier: [1] });
    const [grpc, api] = await Promise.all([freePort(), freePort()]); /* two ports, one engine */
    assert.deepEqual(await embedded(dir, 3, 'stop', grpc, api), { out: { v: 6 }, earlier: [1, 2] });
    assert.deepEqual(fs.readdirSync(dir).filter((name) => name === 'admin.sock'), []);
  },

  /* The client and the worker of these runs stay up; the engine does not. */
  async 'engine-restart'() {
    const file = fresh();
    const nap = fresh();
    const runs = Array.from({ length: 20 }, (_, v) => w.slow.run({ file, v }));
    const durable = w.nap.run({ file: nap, sleep: '5s' });
    await until('for the middle', () => lines(file).length >= 10 && lines(nap).length === 1);
    execFileSync('/bin/sh', ['-c', process.env.HATCHET_TEST_ENGINE], { stdio: 'inherit' });
    const out = await Promise.all(runs);
    out.forEach((each, v) => assert.equal(each.v, v));
    assert.deepEqual(await durable, { slept: true, v: 81 });
    assert.equal((await w.simple.run({ msg: 'after' })).msg, 'AFTER');
  },
};

/* ----------------------------------------------------------------------------------- running */

async function within(ms, name) {
  let timer;
  until.over = false;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      until.over = true;
      setTimeout(() => reject(new Error(`not done within ${ms / 1000} s`)), 500);
    }, ms);
  });
  try {
    await Promise.race([cases[name](), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function main() {
  const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(cases);
  const strange = chosen.filter((name) => !cases[name]);
  if (strange.length > 0 || !process.env.HATCHET_CLIENT_TOKEN) {
    console.error(strange.length > 0
      ? `there is no case ${strange.join(', ')}; there are ${Object.keys(cases).join(' ')}`
      : 'HATCHET_CLIENT_TOKEN is not set: froe token create --hatchet makes one');
    return 2;
  }
  hatchet = HatchetClient.init();
  w = define(hatchet);
  const wanted = [...new Set(chosen.flatMap((name) => needs[name]))];
  let passed = 0;
  let failed = 0;
  let why;
  if (wanted.length > 0)
    await workerStart('ts-main', 50, wanted).catch((error) => {
      why = error.message;
    });
  if (why) console.log(`no worker: ${why}`);
  for (const name of chosen) {
    const begun = Date.now();
    if (name === 'embedded' && !process.env.FROE_BIN) {
      console.log(`skipped ${name}: FROE_BIN is not set`);
      continue;
    }
    if (name.endsWith('e-restart') && !process.env.HATCHET_TEST_ENGINE) {
      console.log(`skipped ${name}: HATCHET_TEST_ENGINE is not set`);
      continue;
    }
    try {
      if (why && needs[name].length > 0) throw new Error('there is no worker');
      await within(CASE_MS, name);
      passed += 1;
      console.log(`passed ${name} ${Date.now() - begun} ms`);
    } catch (error) {
      failed += 1;
      const text = Array.isArray(error) ? error.join('; ') : error?.message ?? error;
      console.log(`FAILED ${name}: ${text}`);
    }
  }
  for (const worker of workers) worker.child.kill(failed > 0 ? 'SIGKILL' : 'SIGTERM');
  await Promise.race([Promise.all([...workers].map((each) => each.over)), sleep(15000)]);
  for (const worker of workers) worker.child.kill('SIGKILL');
  if (failed === 0) fs.rmSync(tmp, { recursive: true, force: true });
  else console.log(`logs of the workers are in ${tmp}`);
  console.log(`${passed} passed, ${failed} failed`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

/* What is still being retried to an engine that is gone is not waited for. */
main().then((code) => process.exit(code), (error) => {
  console.error(error);
  process.exit(1);
});

process.on('unhandledRejection', () => {}); /* of runs whose case has failed already */
