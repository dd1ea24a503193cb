// urql as it comes, with its normalised cache, which is given the schema and checks every document against it.
// `node urql.mjs URL TOKEN`, on a server with products P0 to P4.

import assert from 'node:assert/strict';
import { Client, fetchExchange, gql } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import { relayPagination } from '@urql/exchange-graphcache/extras';
import { getIntrospectionQuery } from 'graphql';

const [url, token] = process.argv.slice(2);
let requests = 0;
const options = {
  url: `${url}/graphql`,
  fetchOptions: { headers: { authorization: `Bearer ${token}` } },
  preferGetMethod: false,
  fetch: (...call) => {
    requests += 1;
    return fetch(...call);
  },
};

const plain = new Client({ ...options, exchanges: [fetchExchange] });
const introspected = await plain.query(getIntrospectionQuery({ oneOf: true, descriptions: false }), {}).toPromise();
assert.equal(introspected.error, undefined);

const cache = cacheExchange({
  schema: introspected.data,
  keys: { Viewer: () => null, ViewerModule: () => null },
  resolvers: { Query: { products: relayPagination() } },
});
const client = new Client({ ...options, exchanges: [cache, fetchExchange] });

const PAGE = gql`
  query Page($after: String) {
    products(first: 2, after: $after, orderBy: [{ name: ASC }]) {
      edges { cursor node { id name } }
      pageInfo { hasNextPage endCursor }
    }
  }
`;

async function pagesGrowTogether() {
  let { data, error } = await client.query(PAGE, {}).toPromise();
  assert.equal(error, undefined);
  for (let pages = 1; data.products.pageInfo.hasNextPage; pages += 1) {
    assert.ok(pages < 5, 'the pages do not end');
    ({ data, error } = await client.query(PAGE, { after: data.products.pageInfo.endCursor }).toPromise());
    assert.equal(error, undefined);
  }
  assert.deepEqual(data.products.edges.map((edge) => edge.node.name), ['P0', 'P1', 'P2', 'P3', 'P4']);
  return data.products.edges[0].node;
}

async function aChangeIsSeenInEveryQuery(node) {
  const rename = gql`mutation ($id: ID!, $data: ProductUpdate!) { updateProduct(id: $id, data: $data) { id name } }`;
  const changed = await client.mutation(rename, { id: node.id, data: { name: 'P0 new' } }).toPromise();
  assert.equal(changed.error, undefined);
  const before = requests;
  const cached = await client.query(PAGE, {}, { requestPolicy: 'cache-only' }).toPromise();
  assert.deepEqual([cached.data.products.edges[0].node.name, requests], ['P0 new', before]);
}

async function faultsComeAsErrors() {
  const { error } = await plain.query('{ nothing { id } }', {}).toPromise();
  assert.equal(error.graphQLErrors[0].extensions.code, 'BAD_USER_INPUT');
  const stranger = new Client({ url: options.url, preferGetMethod: false, exchanges: [fetchExchange] });
  assert.ok((await stranger.query('{ products { totalCount } }', {}).toPromise()).error);
}

await aChangeIsSeenInEveryQuery(await pagesGrowTogether());
await faultsComeAsErrors();
