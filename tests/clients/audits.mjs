// Runs the audits of GraphQL over HTTP against a server: `node audits.mjs URL`. Prints one line for each, as JSON.

import { serverAudits } from 'graphql-http';

const [url] = process.argv.slice(2);
for (const audit of serverAudits({ url })) {
  const result = await audit.fn();
  console.log(JSON.stringify({ id: audit.id, name: audit.name, status: result.status, reason: result.reason }));
}
