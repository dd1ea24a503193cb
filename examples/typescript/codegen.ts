// Where the schema is, and which type each scalar is. Decimals are texts, so that they stay exact.

const config = {
  schema: {
    [`${process.env.CARDINE_URL}/graphql/schema.graphql`]: {
      headers: { authorization: `Bearer ${process.env.CARDINE_TOKEN}` },
      handleAsSDL: true,
    },
  },
  documents: 'operations.graphql',
  generates: {
    'types.ts': {
      plugins: ['typescript', 'typescript-operations'],
      config: {
        strictScalars: true,
        useTypeImports: true,
        enumsAsTypes: true,
        skipTypename: true,
        scalars: {
          BigInt: 'string',
          Date: 'string',
          DateTime: 'string',
          Decimal: 'string',
          Duration: 'string',
          EmailAddress: 'string',
          JSON: 'unknown',
          PhoneNumber: 'string',
          Time: 'string',
          URL: 'string',
        },
      },
    },
  },
};

export default config;
