// graphql-codegen as it comes: TypeScript types from the server's schema and some operations. `node codegen.mjs URL TOKEN`;
// prints what it made.

import { codegen } from '@graphql-codegen/core';
import * as typescript from '@graphql-codegen/typescript';
import * as operations from '@graphql-codegen/typescript-operations';
import { buildSchema, parse, printSchema } from 'graphql';

const [url, token] = process.argv.slice(2);
const answer = await fetch(`${url}/graphql/schema.graphql`, { headers: { authorization: `Bearer ${token}` } });
const sdl = await answer.text();
const document = parse(`
  query Products($filter: ProductFilter, $order: [ProductOrderBy!]) {
    products(filter: $filter, orderBy: $order) { nodes { id name unitPrice createdAt } }
  }
  mutation Add($data: ProductCreate!) { createProduct(data: $data) { id version } }
`);
console.log(
  await codegen({
    schema: parse(printSchema(buildSchema(sdl))),
    documents: [{ location: 'operations.graphql', document }],
    filename: 'types.ts',
    config: { strictScalars: true, scalars: { BigInt: 'string', Decimal: 'string', Date: 'string', Time: 'string', DateTime: 'string', Duration: 'string', EmailAddress: 'string', PhoneNumber: 'string', URL: 'string', JSON: 'unknown' } },
    plugins: [{ typescript: {} }, { operations: {} }],
    pluginMap: { typescript, operations },
  }),
);
