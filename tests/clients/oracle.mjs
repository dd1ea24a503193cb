// graphql-js, the reference implementation, as the second opinion on what Cardine says. Standard input holds JSON, a value
// on each line; standard output the answers.
//
//   node oracle.mjs verdicts       {sdl}, then texts of documents; answers {errors, rules} for each, without errors if valid
//   node oracle.mjs introspection  {sdl, introspection}; answers the differences of the two, as texts
//   node oracle.mjs same           {sdl} and {sdl}; answers both texts after parsing and sorting
//   node oracle.mjs query          nothing; answers the text of the standard introspection query

import { readFileSync } from 'node:fs';
import {
  buildSchema,
  getIntrospectionQuery,
  GraphQLError,
  introspectionFromSchema,
  Kind,
  lexicographicSortSchema,
  parse,
  printSchema,
  specifiedRules,
  validate,
  validateSchema,
} from 'graphql';

const EVERYTHING = {
  descriptions: true,
  specifiedByUrl: true,
  directiveIsRepeatable: true,
  schemaDescription: true,
  inputValueDeprecation: true,
  oneOf: true,
};
// Of how many faulty documents one is looked at rule by rule: that takes long.
const RULES_SEEN_IN = 1;

const input = process.argv[2] === 'query' ? '' : readFileSync(0, 'utf8');
const lines = input.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line));
const output = [];
const answer = (value) => output.push(`${JSON.stringify(value)}\n`);

const calls = {
  verdicts() {
    const schema = withScalars(valid(lines[0].sdl));
    lines.slice(1).forEach((text, position) => {
      let document;
      try {
        document = parse(text);
      } catch (error) {
        return answer({ errors: [error.message], rules: [] });
      }
      const errors = faults(schema, document, specifiedRules);
      const look = errors.length > 0 && position % RULES_SEEN_IN === 0;
      const rules = look ? specifiedRules.filter((rule) => faults(schema, document, [rule]).length > 0) : [];
      answer({ errors: errors.map((error) => error.message), rules: rules.map((rule) => rule.name) });
    });
    answer({ rules: specifiedRules.map((rule) => rule.name) });
  },
  introspection() {
    const theirs = introspectionFromSchema(valid(lines[0].sdl), EVERYTHING);
    const differences = [];
    compare(theirs.__schema, lines[0].introspection.__schema, '', false, differences);
    answer(differences);
  },
  same() {
    lines.forEach(({ sdl }) => answer(printSchema(lexicographicSortSchema(valid(sdl)))));
  },
  query() {
    answer(getIntrospectionQuery(EVERYTHING));
  },
};
function faults(schema, document, rules) {
  try {
    return validate(schema, document, rules, { maxErrors: 5 });
  } catch (error) {
    // The rule of subscriptions evaluates @skip and @include before other rules have looked at their arguments.
    if (error instanceof GraphQLError) return [error];
    throw error;
  }
}

function valid(sdl) {
  const schema = buildSchema(sdl);
  const errors = validateSchema(schema);
  if (errors.length > 0) {
    throw new Error(`the SDL is no valid schema: ${errors.map((error) => error.message).join('; ')}`);
  }
  return schema;
}

// What Cardine's own scalars take, written anew from their description: a schema built from SDL takes everything.
function withScalars(schema) {
  const text = (matches) => (node) => node.kind === Kind.STRING && matches(node.value);
  const day = (value) => {
    const match = /^(\d{4})-(\d\d)-(\d\d)$/.exec(value);
    if (match === null || match[1] === '0000') return false;
    const date = new Date(`${value}T00:00:00Z`);
    return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(value);
  };
  const clock = (value) => /^([01]\d|2[0-3]):[0-5]\d:[0-5]\d$/.test(value);
  const moment = (value) => {
    const match = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/.exec(value);
    return match !== null && day(match[1]) && clock(match[2]);
  };
  const whole = (value) => {
    if (!/^-?\d+$/.test(value)) return false;
    const number = BigInt(value);
    return number >= -(2n ** 63n) && number < 2n ** 63n;
  };
  const fits = (value) => BigInt(value) >= -(2n ** 63n) && BigInt(value) < 2n ** 64n;
  // Zeros before the first digit and behind the last one after the point say nothing.
  const digits = (value) => {
    const [whole, fraction = ''] = value.replace('-', '').split('.');
    return whole.replace(/^0+/, '').length + fraction.replace(/0+$/, '').length;
  };
  const decimal = (value) => /^-?\d+(\.\d+)?$/.test(value) && digits(value) <= 28;
  const takes = {
    BigInt: (node) => (node.kind === Kind.INT || node.kind === Kind.STRING) && whole(node.value),
    Decimal: (node) => (node.kind === Kind.INT && fits(node.value)) || (node.kind === Kind.STRING && decimal(node.value)),
    Date: text(day),
    Time: text(clock),
    DateTime: text(moment),
    Duration: text((value) => /^-?P(?=.)(\d+W)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+S)?)?$/.test(value)),
    EmailAddress: text(() => true),
    PhoneNumber: text(() => true),
    URL: text(() => true),
  };
  for (const [name, allows] of Object.entries(takes)) {
    const type = schema.getType(name);
    if (type === undefined) continue;
    type.parseLiteral = (node) => {
      if (!allows(node)) throw new TypeError(`${name} does not take this`);
      return node.value;
    };
  }
  return schema;
}

// Compares what introspection answers. The order of a list means nothing here, and what is written about the types and
// directives of the specification is everybody's own.
function compare(theirs, ours, path, specified, differences) {
  if ([theirs, ours].some((value) => value === null || typeof value !== 'object')) {
    const words = path.endsWith('/description') && specified;
    if (theirs !== ours && !words) {
      differences.push(`${path}: graphql-js has ${JSON.stringify(theirs)}, Cardine ${JSON.stringify(ours)}`);
    }
    return;
  }
  const [one, other] = [theirs, ours].map(byName);
  for (const key of new Set([...Object.keys(one), ...Object.keys(other)])) {
    const known = specified || (/^\/(types|directives)$/.test(path) && (key.startsWith('__') || SPECIFIED.includes(key)));
    compare(one[key] ?? null, other[key] ?? null, `${path}/${key}`, known, differences);
  }
}

const SPECIFIED = ['Int', 'Float', 'String', 'Boolean', 'ID', 'include', 'skip', 'deprecated', 'specifiedBy', 'oneOf'];

function byName(value) {
  if (!Array.isArray(value)) return value;
  return Object.fromEntries(value.map((item) => (typeof item === 'string' ? [item, true] : [item.name, item])));
}

calls[process.argv[2]]();
process.stdout.write(output.join(''));
