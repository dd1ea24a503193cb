// Apollo Client as it comes: a normalised cache, pages by cursor, types of unions, errors. `node apollo.mjs URL TOKEN`, on a
// server with products P0 to P4 and a task that is about the organization "Parent".

import assert from 'node:assert/strict';
import { ApolloClient, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from '@apollo/client/core';
import { relayStylePagination } from '@apollo/client/utilities';

const [url, token] = process.argv.slice(2);
let requests = 0;
const link = new HttpLink({
  uri: `${url}/graphql`,
  headers: { authorization: `Bearer ${token}` },
  fetch: (...call) => {
    requests += 1;
    return fetch(...call);
  },
});

// What Apollo's documentation says to ask for, so that the cache knows which types an interface and a union have.
async function possibleTypes() {
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  const query = gql`{ __schema { types { kind name possibleTypes { name } } } }`;
  const { data } = await client.query({ query });
  const abstract = data.__schema.types.filter((type) => type.possibleTypes);
  return Object.fromEntries(abstract.map((type) => [type.name, type.possibleTypes.map((possible) => possible.name)]));
}

const cache = new InMemoryCache({
  possibleTypes: await possibleTypes(),
  typePolicies: { Query: { fields: { products: relayStylePagination(['filter', 'orderBy']) } } },
});
const client = new ApolloClient({ link, cache });

const PAGE = gql`
  query Page($after: String, $order: [ProductOrderBy!]) {
    products(first: 2, after: $after, orderBy: $order) {
      totalCount
      edges { cursor node { id name } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
`;
const variables = { order: [{ name: 'ASC' }] };

async function pagesGrowTogether() {
  const observed = client.watchQuery({ query: PAGE, variables });
  const subscription = observed.subscribe(() => {});
  await observed.result?.();
  let { data } = await client.query({ query: PAGE, variables });
  while (data.products.pageInfo.hasNextPage) {
    await observed.fetchMore({ variables: { after: data.products.pageInfo.endCursor } });
    data = client.readQuery({ query: PAGE, variables });
  }
  subscription.unsubscribe();
  assert.deepEqual(data.products.edges.map((edge) => edge.node.name), ['P0', 'P1', 'P2', 'P3', 'P4']);
  assert.equal(data.products.totalCount, 5);
  assert.equal(data.products.pageInfo.hasPreviousPage, false);
  return data.products.edges;
}

async function aChangeIsSeenInEveryQuery(edges) {
  const [{ node }] = edges;
  const mutation = gql`
    mutation Rename($id: ID!, $data: ProductUpdate!) { updateProduct(id: $id, data: $data) { id name version } }
  `;
  const { data } = await client.mutate({ mutation, variables: { id: node.id, data: { name: 'P0 new' } } });
  assert.equal(data.updateProduct.__typename, 'Product');
  const before = requests;
  const cached = client.readQuery({ query: PAGE, variables });
  assert.equal(cached.products.edges[0].node.name, 'P0 new');
  // Another operation on the same record needs no request.
  client.writeQuery({ query: gql`query Known($id: ID!) { product(id: $id) { id name } }`, data: { product: { __typename: 'Product', id: node.id, name: 'P0 new' } }, variables: { id: node.id } });
  const one = await client.query({ query: gql`query Known($id: ID!) { product(id: $id) { id name } }`, variables: { id: node.id } });
  assert.deepEqual([one.data.product.name, requests], ['P0 new', before]);
}

async function unionsAndInterfacesAreTold() {
  const query = gql`
    fragment Named on Node { id ... on Organization { name } ... on Contact { lastName } }
    { tasks(first: 1) { nodes { id subject parent { ... on Node { ...Named } } owner { ... on User { email } } } } }
  `;
  const [task] = (await client.query({ query })).data.tasks.nodes;
  assert.deepEqual([task.parent.__typename, task.parent.name, task.owner.__typename], ['Organization', 'Parent', 'User']);
  assert.equal(cache.extract()[`Organization:${task.parent.id}`].name, 'Parent');
}

async function faultsComeAsErrors() {
  const query = (text, variables) => client.query({ query: gql(text), variables, fetchPolicy: 'no-cache' });
  await assert.rejects(query('{ nothing { id } }'), (error) => CombinedGraphQLErrors.is(error) && error.errors[0].extensions.code === 'BAD_USER_INPUT');
  const mutation = gql`mutation ($id: ID!) { deleteProduct(id: $id) { id } }`;
  await assert.rejects(client.mutate({ mutation, variables: { id: 'nobody' } }), (error) => error.errors[0].extensions.code === 'NOT_FOUND');
}

await aChangeIsSeenInEveryQuery(await pagesGrowTogether());
await unionsAndInterfacesAreTold();
await faultsComeAsErrors();
client.stop();
