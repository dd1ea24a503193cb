// Makes an opportunity and prints the open ones, the largest first. Every name in it is checked against the server's schema.

import { readFileSync } from 'node:fs';
import type {
  OpenMutation,
  OpenMutationVariables,
  OpportunityStage,
  PipelineQuery,
  PipelineQueryVariables,
} from './types.ts';

/** What each operation takes and answers. */
interface Operations {
  Pipeline: { variables: PipelineQueryVariables; data: PipelineQuery };
  Open: { variables: OpenMutationVariables; data: OpenMutation };
}

const operations = readFileSync(new URL('operations.graphql', import.meta.url), 'utf8');

async function ask<Name extends keyof Operations>(
  operationName: Name,
  variables: Operations[Name]['variables'],
): Promise<Operations[Name]['data']> {
  const response = await fetch(`${process.env.CARDINE_URL}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${process.env.CARDINE_TOKEN}` },
    body: JSON.stringify({ query: operations, operationName, variables }),
  });
  const { data, errors } = (await response.json()) as {
    data?: Operations[Name]['data'];
    errors?: { message: string }[];
  };
  if (errors || !data) {
    throw new Error(errors?.map((error) => error.message).join('\n') ?? `HTTP ${response.status}`);
  }
  return data;
}

/** Hundredths, as whole numbers are exact: a `Decimal` of two digits after the point comes as text. */
function hundredths(amount: string): bigint {
  return BigInt(amount.replace('.', ''));
}

const open: OpportunityStage[] = ['PROSPECTING', 'QUALIFICATION', 'NEGOTIATION_REVIEW'];

const made = await ask('Open', {
  data: { name: 'A press brake', stage: 'QUALIFICATION', closeDate: '2030-06-30', amount: '125000.50' },
});
console.log(`made, version ${made.createOpportunity.version}`);

const { opportunities } = await ask('Pipeline', { stages: open, first: 3 });
let shown = 0n;
for (const { name, stage, amount, organization } of opportunities.nodes) {
  shown += hundredths(amount ?? '0.00');
  console.log(`${stage} ${name} ${amount ?? '–'} ${organization?.name ?? 'nobody'}`);
}
console.log(`${opportunities.nodes.length} of ${opportunities.totalCount}, ${opportunities.aggregate.sum?.amount ?? '0.00'} in all, ${shown} hundredths shown`);
