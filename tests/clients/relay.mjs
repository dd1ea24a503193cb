// Relay as it comes: its compiler on the server's schema, and its runtime with what the compiler made.
// `node relay.mjs URL TOKEN`, on a server with products P0 to P4.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import compiler from 'relay-compiler';
import relay from 'relay-runtime';

const { commitMutation, createOperationDescriptor, Environment, fetchQuery, getSingularSelector, Network, RecordSource, Store } = relay;
const [url, token] = process.argv.slice(2);
const headers = { authorization: `Bearer ${token}` };

const SOURCE = `
  graphql\`
    fragment source_products on Query
    @refetchable(queryName: "sourcePageQuery")
    @argumentDefinitions(count: { type: "Int", defaultValue: 2 }, cursor: { type: "String" }) {
      products(first: $count, after: $cursor, orderBy: [{ name: ASC }]) @connection(key: "source_products") {
        edges { node { id name } }
      }
    }
  \`;
  graphql\`
    fragment source_told on Query
    @refetchable(queryName: "sourceToldPageQuery")
    @argumentDefinitions(count: { type: "Int", defaultValue: 2 }, cursor: { type: "String" }) {
      notifications(first: $count, after: $cursor) @connection(key: "source_told_notifications") { edges { node { id title } } }
    }
  \`;
  graphql\`
    fragment source_found on Query
    @refetchable(queryName: "sourceFoundPageQuery")
    @argumentDefinitions(count: { type: "Int", defaultValue: 2 }, cursor: { type: "String" }, text: { type: "String!" }) {
      search(text: $text, first: $count, after: $cursor) @connection(key: "source_found_search") { edges { node { title record { id } } } }
    }
  \`;
  graphql\`query sourceProductsQuery { ...source_products }\`;
  graphql\`fragment source_product on Product @refetchable(queryName: "sourceAgainQuery") { name version }\`;
  graphql\`
    mutation sourceRenameMutation($id: ID!, $data: ProductUpdate!) {
      updateProduct(id: $id, data: $data) { id name ...source_product }
    }
  \`;
`;

async function compile(folder) {
  const sdl = await (await fetch(`${url}/graphql/schema.graphql`, { headers })).text();
  mkdirSync(join(folder, 'made'));
  writeFileSync(join(folder, 'schema.graphql'), sdl);
  writeFileSync(join(folder, 'source.js'), SOURCE);
  writeFileSync(join(folder, 'package.json'), '{"type": "commonjs"}');
  const config = { src: '.', schema: 'schema.graphql', language: 'javascript', artifactDirectory: 'made', eagerEsModules: false };
  writeFileSync(join(folder, 'relay.config.json'), JSON.stringify(config));
  const { status, stdout, stderr } = spawnSync(compiler, ['relay.config.json'], { cwd: folder, encoding: 'utf8' });
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  return (name) => createRequire(join(folder, 'made/'))(`./${name}.graphql.js`);
}

const network = Network.create(async ({ text, name }, variables) => {
  const body = JSON.stringify({ query: text, variables, operationName: name });
  const accept = 'application/graphql-response+json';
  const answer = await fetch(`${url}/graphql`, { method: 'POST', headers: { ...headers, accept, 'content-type': 'application/json' }, body });
  return answer.json();
});
const environment = new Environment({ network, store: new Store(new RecordSource()) });

const run = (query, variables) => new Promise((done, fail) => fetchQuery(environment, query, variables).subscribe({ next: done, error: fail }));

// The fragment's data as a component would get them.
function read(fragment, query, variables) {
  const operation = createOperationDescriptor(query, variables);
  const reference = environment.lookup(operation.fragment).data;
  return environment.lookup(getSingularSelector(fragment, reference)).data;
}

async function pagesGrowTogether(made) {
  const [query, page, fragment] = ['sourceProductsQuery', 'sourcePageQuery', 'source_products'].map(made);
  environment.retain(createOperationDescriptor(query, {}));
  await run(query, {});
  let { products } = read(fragment, query, {});
  assert.equal(products.edges.length, 2);
  while (products.pageInfo.hasNextPage) {
    await run(page, { count: 2, cursor: products.pageInfo.endCursor });
    ({ products } = read(fragment, query, {}));
  }
  assert.deepEqual(products.edges.map((edge) => edge.node.name), ['P0', 'P1', 'P2', 'P3', 'P4']);
  return products.edges[0].node.id;
}

async function aChangeIsSeenInEveryQuery(made, id) {
  const variables = { id, data: { name: 'P0 new' } };
  await new Promise((onCompleted, onError) => commitMutation(environment, { mutation: made('sourceRenameMutation'), variables, onCompleted, onError }));
  const { products } = read(made('source_products'), made('sourceProductsQuery'), {});
  assert.equal(products.edges[0].node.name, 'P0 new');
}

async function aRecordIsFetchedAgainByNode(made, id) {
  const again = made('sourceAgainQuery');
  assert.match(again.params.text, /node\(id: \$id\)/);
  await run(again, { id });
  assert.equal(environment.getStore().getSource().get(id).version, 2);
  assert.equal(environment.getStore().getSource().get(id).__typename, 'Product');
}

const folder = mkdtempSync(join(tmpdir(), 'cardine-relay-'));
try {
  const made = await compile(folder);
  const id = await pagesGrowTogether(made);
  await aChangeIsSeenInEveryQuery(made, id);
  await aRecordIsFetchedAgainByNode(made, id);
} finally {
  rmSync(folder, { recursive: true });
}
