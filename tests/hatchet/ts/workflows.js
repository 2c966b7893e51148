/*
 * tests/hatchet/ts/workflows: what the workers of this program do.
 *
 * A task leaves a trace in the file that its input names, a line each time: how often it began,
 * and what it saw, is known without asking the engine. `groups` says which worker serves what, and
 * `needs` what a case needs, so that one case runs against an engine that can do no more than that.
 */
'use strict';
const fs = require('node:fs');
const { NonRetryableError } = require('@hatchet-dev/typescript-sdk');

function mark(input, text) {
  fs.appendFileSync(input.file, `${text}\n`);
}

function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(new Error('aborted'));
    });
  });
}

/* Until another process has made the file. */
async function gate(path, signal) {
  while (!fs.existsSync(path)) await sleep(20, signal);
}

function define(hatchet) {
  const w = {};
  w.simple = hatchet.task({
    name: 'ts-Simple',
    fn: (input, ctx) => ({ msg: input.msg.toUpperCase(), meta: ctx.additionalMetadata() }),
  });

  w.dag = hatchet.workflow({ name: 'ts-dag' });
  const a = w.dag.task({ name: 'a', fn: (input) => ({ v: input.v + 1 }) });
  const b = w.dag.task({
    name: 'B',
    parents: [a],
    fn: async (_, ctx) => ({ v: (await ctx.parentOutput(a)).v * 10 }),
  });
  const c = w.dag.task({
    name: 'c',
    parents: [a],
    fn: async (_, ctx) => ({ v: (await ctx.parentOutput(a)).v * 100 }),
  });
  w.dag.task({
    name: 'd',
    parents: [b, c],
    fn: async (_, ctx) => ({
      v: (await ctx.parentOutput(b)).v + (await ctx.parentOutput(c)).v,
    }),
  });

  w.flaky = hatchet.task({
    name: 'ts-flaky',
    retries: 3,
    backoff: { factor: 2, maxSeconds: 1 },
    fn: (input, ctx) => {
      mark(input, `${Date.now()}`);
      if (ctx.retryCount() < 2) throw new Error(`boom ${ctx.retryCount()}`);
      return { tries: ctx.retryCount() };
    },
  });

  w.hopeless = hatchet.task({
    name: 'ts-hopeless',
    retries: 3,
    fn: (input) => {
      mark(input, 'began');
      throw new NonRetryableError('no use');
    },
  });

  w.failing = hatchet.workflow({ name: 'ts-failing' });
  w.failing.task({
    name: 'breaks',
    fn: () => {
      throw new Error('it broke');
    },
  });
  w.failing.onFailure({
    name: 'cleanup',
    fn: (input, ctx) => {
      mark(input, JSON.stringify(ctx.errors()));
      return { cleaned: true };
    },
  });

  w.late = hatchet.task({
    name: 'ts-late',
    executionTimeout: '1s',
    fn: async (input, ctx) => {
      mark(input, 'began');
      try {
        await sleep(60000, ctx.abortController.signal);
      } catch (error) {
        mark(input, 'aborted');
        throw error;
      }
      return {};
    },
  });

  w.refreshed = hatchet.task({
    name: 'ts-refreshed',
    executionTimeout: '2s',
    fn: async (_, ctx) => {
      await ctx.refreshTimeout('20s');
      await sleep(4000, ctx.abortController.signal);
      return { done: true };
    },
  });

  /* One task cancels itself: what waits for it goes with it, the other goes on. */
  w.quitting = hatchet.workflow({ name: 'ts-quitting' });
  const quits = w.quitting.task({
    name: 'quits',
    fn: async (_, ctx) => {
      await ctx.cancel();
      await sleep(60000, ctx.abortController.signal);
      return {};
    },
  });
  w.quitting.task({ name: 'after', parents: [quits], fn: () => ({}) });
  w.quitting.task({ name: 'goes', fn: () => ({}) });

  w.endless = hatchet.task({
    name: 'ts-endless',
    executionTimeout: '10m',
    fn: async (input, ctx) => {
      mark(input, 'began');
      try {
        await sleep(600000, ctx.abortController.signal);
      } catch (error) {
        mark(input, 'aborted');
        throw error;
      }
      return {};
    },
  });

  w.square = hatchet.task({ name: 'ts-square', fn: (input) => ({ v: input.v * input.v }) });
  w.fan = hatchet.task({
    name: 'ts-fan',
    fn: async (input, ctx) => {
      const one = await Promise.all(
        [1, 2, 3].map((v) => ctx.runChild(w.square, { v }, { key: `one-${v}` }))
      );
      const many = await ctx.bulkRunChildren(
        Array.from({ length: input.n }, (_, v) => ({ workflow: w.square, input: { v } }))
      );
      return {
        one: one.reduce((sum, r) => sum + r.v, 0),
        many: many.reduce((sum, r) => sum + r.v, 0),
      };
    },
  });

  w.once = hatchet.task({
    name: 'ts-once',
    fn: (input) => {
      mark(input, 'child');
      return { v: 7 };
    },
  });
  w.spawner = hatchet.task({
    name: 'ts-spawner',
    retries: 2,
    fn: async (input, ctx) => {
      const child = await ctx.runChild(w.once, input, { key: 'only' });
      if (ctx.retryCount() < 1) throw new Error('after the child');
      return { v: child.v, tries: ctx.retryCount() };
    },
  });

  w.logs = hatchet.task({
    name: 'ts-logs',
    fn: async (_, ctx) => {
      for (const line of ['one', 'two', 'three']) await ctx.logger.info(`line ${line}`);
      return { task: ctx.taskRunExternalId() };
    },
  });

  w.stream = hatchet.task({
    name: 'ts-stream',
    executionTimeout: '60s',
    fn: async (input, ctx) => {
      await gate(input.file, ctx.abortController.signal);
      for (let i = 0; i < input.n; i += 1) await ctx.putStream(`${i};`);
      await sleep(500); /* putStream does not wait until the engine has it */
      return {};
    },
  });

  w.queued = hatchet.task({
    name: 'ts-queued',
    fn: async (input) => {
      mark(input, input.name);
      if (input.gate) await gate(input.gate);
      return {};
    },
  });

  /* Retries: the SDK fails an attempt whose step was not acknowledged when the stream broke. */
  w.nap = hatchet.durableTask({
    name: 'ts-nap',
    retries: 3,
    executionTimeout: '10m',
    fn: async (input, ctx) => {
      mark(input, 'began');
      await ctx.sleepFor(input.sleep);
      const child = await ctx.runChild(w.square, { v: 9 });
      return { slept: true, v: child.v };
    },
  });

  w.waiter = hatchet.durableTask({
    name: 'ts-waiter',
    executionTimeout: '10m',
    fn: async (input, ctx) => ({ event: await ctx.waitFor({ eventKey: input.key }) }),
  });

  /* Its first attempt fails once it has kept what it has computed, also what it computed at the
   * same time as something else. */
  w.keeps = hatchet.durableTask({
    name: 'ts-keeps',
    retries: 2,
    fn: async (input, ctx) => {
      const kept = (key) => ctx.memo(async () => {
        mark(input, key);
        return { tries: ctx.retryCount() };
      }, [key]);
      const first = await kept('first');
      const [one, , two] = await Promise.all([kept('one'), ctx.sleepFor('1s'), kept('two')]);
      const now = (await ctx.now()).getTime();
      if (ctx.retryCount() < 1) throw new Error('after all memos');
      return { first, one, two, now, tries: ctx.retryCount() };
    },
  });

  w.parent = hatchet.durableTask({
    name: 'ts-parent',
    retries: 2,
    executionTimeout: '2m',
    fn: async (input, ctx) => {
      const once = await ctx.spawnChild(w.once, input);
      const squares = await ctx.spawnChildren(
        Array.from({ length: input.n }, (_, v) => ({ workflow: w.square, input: { v } }))
      );
      const dag = await ctx.spawnChild(w.dag, { v: 5 });
      const error = await ctx.spawnChild(w.hopeless, input).catch((each) => each.message);
      if (ctx.retryCount() < 1) throw new Error('after the children');
      return { once, sum: squares.reduce((sum, each) => sum + each.v, 0), dag, error };
    },
  });

  w.parked = hatchet.durableTask({
    name: 'ts-parked',
    executionTimeout: '2m',
    evictionPolicy: { ttl: '1s', allowCapacityEviction: true, priority: 0 },
    fn: async (input, ctx) => {
      mark(input, ctx.invocationCount);
      const first = await ctx.memo(async () => ({ at: ctx.invocationCount }), ['first']);
      const found = await ctx.waitFor({ eventKey: input.key });
      return { first: first.at, found, invocation: ctx.invocationCount };
    },
  });

  /* Its second attempt does something else. */
  w.wavers = hatchet.durableTask({
    name: 'ts-wavers',
    retries: 3,
    fn: async (input, ctx) => {
      try {
        if (ctx.retryCount() > 0) await ctx.spawnChild(w.square, { v: 2 });
        else await ctx.sleepFor('1s');
      } catch (error) {
        mark(input, error.constructor.name);
        throw error;
      }
      throw new Error('once more');
    },
  });

  w.patient = hatchet.durableTask({
    name: 'ts-patient',
    retries: 3,
    executionTimeout: '10m',
    fn: async (input, ctx) => {
      await ctx.sleepFor('1s');
      mark(input, 'waits');
      return { found: await ctx.waitFor({ eventKey: input.key }) };
    },
  });

  w.gated = hatchet.task({
    name: 'ts-gated',
    fn: (input) => {
      if (!fs.existsSync(input.file)) throw new Error('not yet');
      return { v: 1 };
    },
  });

  w.held = hatchet.task({
    name: 'ts-held',
    executionTimeout: '10m',
    retries: 3,
    fn: async (input, ctx) => {
      mark(input, `${process.pid}`);
      await gate(input.gate, ctx.abortController.signal);
      return { pid: process.pid };
    },
  });

  w.slow = hatchet.task({
    name: 'ts-slow',
    executionTimeout: '2m',
    retries: 3,
    fn: async (input, ctx) => {
      mark(input, `${input.v}`);
      await sleep(2000, ctx.abortController.signal);
      return { v: input.v };
    },
  });

  w.onEvent = hatchet.task({
    name: 'ts-on-event',
    onEvents: ['ts:made:*'],
    fn: (input, ctx) => {
      mark(input, `${input.name} ${ctx.additionalMetadata().k}`);
      return {};
    },
  });

  w.doomed = hatchet.task({
    name: 'ts-doomed',
    retries: 2,
    fn: (input) => {
      mark(input, 'began');
      throw new Error('doomed');
    },
  });

  /* Its slot is free while it goes on. */
  w.released = hatchet.task({
    name: 'ts-released',
    fn: async (input, ctx) => {
      if (!input.gate) return { v: 2 };
      mark(input, 'began');
      await ctx.releaseSlot();
      await gate(input.gate, ctx.abortController.signal);
      return { v: 1 };
    },
  });
  return w;
}

/* What a case needs of the worker that serves it. */
const needs = {
  simple: ['simple'],
  dag: ['dag'],
  retries: ['flaky'],
  'non-retryable': ['hopeless'],
  'on-failure': ['failing'],
  timeout: ['late'],
  refresh: ['refreshed'],
  cancel: ['endless'],
  'cancel-task': ['quitting'],
  children: ['fan', 'square'],
  'children-retry': ['spawner', 'once'],
  bulk: ['square'],
  events: [],
  logs: ['logs'],
  streaming: ['stream'],
  priority: [],
  'durable-sleep': ['nap', 'square'],
  'durable-event': ['waiter'],
  memo: ['keeps'],
  'durable-children': ['parent', 'once', 'square', 'dag', 'hopeless'],
  eviction: ['parked'],
  nondeterminism: ['wavers', 'square'],
  'durable-restart': ['patient'],
  details: ['dag'],
  list: ['simple'],
  replay: ['gated'],
  unknown: [],
  'on-event': ['onEvent'],
  exhausted: ['doomed'],
  'step-events': ['square'],
  'release-slot': [],
  'rate-limit': [],
  'cancel-many': ['endless'],
  'replay-many': ['gated'],
  'worker-restart': [],
  embedded: [],
  'engine-restart': ['slow', 'nap', 'square', 'simple'],
};

module.exports = { define, needs, sleep };
