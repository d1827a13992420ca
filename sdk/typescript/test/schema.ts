import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

const folder = new URL('../../../schemas/ws/', import.meta.url);

export const schema = JSON.parse(readFileSync(new URL('protocol.schema.json', folder), 'utf8'));
export const protocolPage = readFileSync(new URL('PROTOCOL.md', folder), 'utf8');

const ajv = new Ajv2020({ allErrors: true, strictTypes: false }).addSchema(schema);

/** Validates against one definition of the protocol's schema. */
export function definition(name: string): ValidateFunction {
  const validate = ajv.getSchema(`${schema.$id}#/$defs/${name}`);
  if (!validate) throw new Error(`the schema has no definition ${name}`);
  return validate;
}

/** What is wrong with a frame, or undefined. */
export function violation(side: 'clientMessage' | 'serverMessage', frame: unknown): string | undefined {
  const validate = definition(side);
  if (validate(frame)) return undefined;
  return `${side} ${JSON.stringify(frame).slice(0, 300)}: ${ajv.errorsText(validate.errors)}`;
}
