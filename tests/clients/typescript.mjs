// The typed client of `examples/typescript` as its page says: types from the server's schema, checked by the compiler, and run.
// `node typescript.mjs URL TOKEN EXAMPLE [OLD NEW]`; prints what the program prints, or what the compiler finds. With OLD and NEW
// the program is tried with one text in place of another.

import { codegen } from '@graphql-codegen/core';
import * as typescript from '@graphql-codegen/typescript';
import * as operations from '@graphql-codegen/typescript-operations';
import { buildSchema, parse, printSchema } from 'graphql';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';

const [url, token, example, before, after] = process.argv.slice(2);
process.env.CARDINE_URL = url;
process.env.CARDINE_TOKEN = token;
// Below this folder, so that the types of Node are found.
const folder = mkdtempSync(join(process.cwd(), 'typed-'));
const source = (name) => readFileSync(join(example, name), 'utf8');
const put = (name, text) => writeFileSync(join(folder, name), text);
const compiled = (text) =>
  ts.transpileModule(text, { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022 } }).outputText;

try {
  put('codegen.mjs', compiled(source('codegen.ts')));
  const { default: config } = await import(pathToFileURL(join(folder, 'codegen.mjs')));
  const [[address, { headers }]] = Object.entries(config.schema);
  const sdl = await (await fetch(address, { headers })).text();
  const [[filename, target]] = Object.entries(config.generates);
  const types = await codegen({
    schema: parse(printSchema(buildSchema(sdl))),
    documents: [{ location: config.documents, document: parse(source(config.documents)) }],
    filename,
    config: target.config,
    plugins: target.plugins.map((plugin) => ({ [plugin]: {} })),
    pluginMap: { typescript, 'typescript-operations': operations },
  });
  put(filename, types);
  put(config.documents, source(config.documents));
  const program = source('pipeline.ts');
  if (before !== undefined && !program.includes(before)) throw new Error(`${before} does not stand in the program`);
  put('pipeline.ts', before === undefined ? program : program.replace(before, after));

  const checked = ts.createProgram([join(folder, 'pipeline.ts')], {
    strict: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    allowImportingTsExtensions: true,
    types: ['node'],
    skipLibCheck: true,
  });
  const found = ts.getPreEmitDiagnostics(checked);
  if (found.length > 0) {
    for (const { messageText } of found) console.log(`error: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`);
  } else {
    put('pipeline.mjs', compiled(readFileSync(join(folder, 'pipeline.ts'), 'utf8')));
    process.stdout.write(execFileSync(process.execPath, [join(folder, 'pipeline.mjs')], { encoding: 'utf8' }));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
