import { DuckDBError, DuckDBErrorType } from './errors.js';
import type { MessageType, ReadingOptions } from './protocol.js';

/**
 * Frames are put together as text, because JSON.stringify cannot write a bigint and the protocol wants integers
 * as JSON numbers of any size. A "fields" string is what follows the type: empty, or `,"name":value...`.
 */
export function encodeFrame(id: string, type: MessageType, fields: string): string {
  return `{"id":"${id}","type":"${type}"${fields}}`;
}

export function field(name: string, value: string | number | boolean): string {
  return `,"${name}":${JSON.stringify(value)}`;
}

export function statementFields(sql: string, params: readonly unknown[] | undefined): string {
  return field('sql', sql) + paramsField(params);
}

export function paramsField(params: readonly unknown[] | undefined): string {
  return params === undefined ? '' : `,"params":[${params.map(encodeParam).join(',')}]`;
}

export function modeFields({ numberMode, dateMode, jsonMode }: ReadingOptions): string {
  return (
    (numberMode === undefined ? '' : field('numberMode', numberMode)) +
    (dateMode === undefined ? '' : field('dateMode', dateMode)) +
    (jsonMode === undefined ? '' : field('jsonMode', jsonMode))
  );
}

function encodeParam(value: unknown, index: number): string {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return JSON.stringify(value);
    case 'bigint':
      return String(value);
    case 'number':
      if (Number.isFinite(value)) return String(value);
      throw wrongParam(index, `${value}, which SQL over JSON cannot express`);
    case 'undefined':
      return 'null';
  }
  if (value === null) return 'null';
  if (value instanceof Date && !Number.isNaN(value.getTime())) return JSON.stringify(sqlTimestamp(value));
  throw wrongParam(index, `${Object.prototype.toString.call(value)}; give a string, number, bigint, boolean, Date or null`);
}

/** UTC, without a zone mark: it compares with DATETIME columns as it stands. */
function sqlTimestamp(date: Date): string {
  return date.toISOString().replace('T', ' ').replace('Z', '');
}

function wrongParam(index: number, problem: string): DuckDBError {
  return new DuckDBError(`Query failed: params[${index}] is ${problem}`, DuckDBErrorType.QUERY_ERROR, {
    code: 'SQL_PARAMS',
  });
}
