// graphql-ws as it comes, over the WebSockets of `ws`: it follows, completes, is told its faults, and goes on after a lost connection.
// `node graphql-ws.mjs URL TOKEN`, on a server with products P0 to P4.

import assert from 'node:assert/strict';
import { CloseCode, createClient } from 'graphql-ws';
import WebSocket from 'ws';

const [url, token] = process.argv.slice(2);
const options = {
  url: `${url.replace('http', 'ws')}/graphql`,
  webSocketImpl: WebSocket,
  connectionParams: () => ({ authorization: `Bearer ${token}` }),
  retryAttempts: 0,
  // Between two operations the connection stays.
  lazyCloseTimeout: 1_000,
};

async function create(name) {
  const query = 'mutation ($name: String!) { createProduct(data: { name: $name }) { id } }';
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables: { name } }),
  });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined);
  return data.createProduct.id;
}

// What a sink is told, one after the other.
function told() {
  const arrived = [];
  const waiting = [];
  const put = (item) => (waiting.length ? waiting.shift()(item) : arrived.push(item));
  const take = () => (arrived.length ? Promise.resolve(arrived.shift()) : new Promise((resolve) => waiting.push(resolve)));
  const sink = {
    next: (value) => put({ next: value }),
    error: (error) => put({ error }),
    complete: () => put({ complete: true }),
  };
  return { sink, take, arrived };
}

const FOLLOW = `subscription ($after: String, $filter: ProductFilter) {
  productChanges(after: $after, filter: $filter) { kind record { name } position }
}`;

// When the server has answered an operation that came later, it has begun those before.
async function settled(client) {
  const { sink, take } = told();
  client.subscribe({ query: '{ me { role } }' }, sink);
  assert.deepEqual((await take()).next, { data: { me: { role: 'administrator' } } });
  assert.deepEqual(await take(), { complete: true });
}

async function itFollowsAndCompletes() {
  const client = createClient(options);
  const { sink, take, arrived } = told();
  const filter = { name: { startsWith: 'Followed' } };
  const complete = client.subscribe({ query: FOLLOW, variables: { filter } }, sink);
  await settled(client);
  await create('Passed over');
  await create('Followed 1');
  const { kind, record } = (await take()).next.data.productChanges;
  assert.deepEqual([kind, record.name], ['CREATED', 'Followed 1']);
  complete();
  assert.deepEqual(await take(), { complete: true });
  await settled(client);
  await create('Followed 2');
  await settled(client);
  assert.deepEqual(arrived, [], 'what was completed is told nothing more');

  const changed = client.iterate({ query: 'mutation { createProduct(data: { name: "By iteration" }) { name } }' });
  const names = [];
  for await (const { data } of changed) names.push(data.createProduct.name);
  assert.deepEqual(names, ['By iteration']);
  await client.dispose();
}

async function itGoesOnAfterALostConnection() {
  const variables = { filter: { name: { startsWith: 'Kept' } } };
  let lost = 0;
  const client = createClient({
    ...options,
    retryAttempts: 5,
    // Meanwhile something happens that nobody is told.
    retryWait: async () => {
      lost += 1;
      await create(`Kept ${lost + 1}`);
    },
  });
  const { sink, take } = told();
  client.subscribe({ query: FOLLOW, variables }, sink);
  await settled(client);
  await create('Kept 1');
  for (const expected of ['Kept 1', 'Kept 2', 'Kept 3']) {
    const { kind, record, position } = (await take()).next.data.productChanges;
    assert.deepEqual([kind, record.name], ['CREATED', expected]);
    variables.after = position;
    if (expected !== 'Kept 3') client.terminate();
  }
  assert.equal(lost, 2);
  await client.dispose();
}

async function itIsToldItsFaults() {
  const client = createClient(options);
  for (const [query, code] of [
    ['{ nothing }', 'BAD_USER_INPUT'],
    ['subscription { nothingChanges { kind } }', 'BAD_USER_INPUT'],
    [`{ ${Array.from({ length: 101 }, (_, n) => `a${n}: __typename`).join(' ')} }`, 'LIMIT_EXCEEDED'],
  ]) {
    const { sink, take } = told();
    client.subscribe({ query }, sink);
    const { error } = await take();
    assert.ok(Array.isArray(error), String(error));
    assert.equal(error[0].extensions.code, code);
  }
  await settled(client);
  await client.dispose();
}

async function whoIsNobodyIsTurnedAway() {
  for (const authorization of ['Bearer nobody', 'Basic YTpi']) {
    const client = createClient({ ...options, connectionParams: { authorization } });
    const { sink, take } = told();
    client.subscribe({ query: '{ me { role } }' }, sink);
    const { error } = await take();
    assert.equal(error.code, CloseCode.Forbidden);
    await client.dispose();
  }
  const anonymous = createClient({ ...options, connectionParams: undefined });
  const { sink, take } = told();
  anonymous.subscribe({ query: FOLLOW }, sink);
  assert.equal((await take()).error[0].extensions.code, 'BAD_USER_INPUT');
  await anonymous.dispose();
}

await itFollowsAndCompletes();
await itGoesOnAfterALostConnection();
await itIsToldItsFaults();
await whoIsNobodyIsTurnedAway();
