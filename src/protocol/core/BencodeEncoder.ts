/**
 * The writing half of {@link Bencode}: canonical bencode (BEP 3) of any value, which is measured and
 * then written in one pass into one buffer.
 */
import type { Dictionary, Value } from "./BencodeDecoder.ts"
import { DICTIONARY, END, LIST, MAX_INT64, MIN_INT64 } from "./BencodeReader.ts"
import { BRACKET_BYTES, sizeOfBigInt, sizeOfBytes, sizeOfInteger, Writer } from "./BencodeWriter.ts"

/**
 * The canonical bencode of `value`; keys may come in any order.
 *
 * Throws `TypeError` for what only a programmer's error can produce: a number that is not a safe
 * integer, a bigint outside int64, a key with a char over U+00FF, a value of another type.
 */
export const encode = (value: Value): Uint8Array => {
  const writer = new Writer(sizeOf(value))
  write(writer, value)
  return writer.finish()
}

const LATIN1_MAX = 0xff

const sizeOf = (value: Value): number => {
  if (value instanceof Uint8Array) return sizeOfBytes(value.length)
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value))
      throw new TypeError(`Bencode has no number ${value}: use a safe integer or bigint`)
    return sizeOfInteger(value)
  }
  if (typeof value === "bigint") {
    if (value > MAX_INT64 || value < MIN_INT64) throw new TypeError("Bencode integers are limited to 64 bits")
    return sizeOfBigInt(value)
  }
  if (isList(value)) {
    let size = BRACKET_BYTES
    for (const item of value) size += sizeOf(item)
    return size
  }
  if (typeof value !== "object" || value === null) {
    throw new TypeError(`Bencode has no ${value === null ? "null" : typeof value}`)
  }
  let size = BRACKET_BYTES
  for (const key of Object.keys(value)) size += sizeOfKey(key) + sizeOf(value[key]!)
  return size
}

const sizeOfKey = (key: string): number => {
  for (let i = 0; i < key.length; i++) {
    if (key.charCodeAt(i) > LATIN1_MAX) throw new TypeError("Bencode keys are byte strings: no char over U+00FF")
  }
  return sizeOfBytes(key.length)
}

const write = (writer: Writer, value: Value): void => {
  if (value instanceof Uint8Array) writer.writeBytes(value)
  else if (typeof value === "number") writer.writeInteger(value)
  else if (typeof value === "bigint") writer.writeBigInt(value)
  else if (isList(value)) {
    writer.writeByte(LIST)
    for (const item of value) write(writer, item)
    writer.writeByte(END)
  } else writeDictionary(writer, value)
}

const writeDictionary = (writer: Writer, dictionary: Dictionary): void => {
  writer.writeByte(DICTIONARY)
  for (const key of sortedKeys(dictionary)) {
    writer.writeChars(key)
    write(writer, dictionary[key]!)
  }
  writer.writeByte(END)
}

const isList = (value: Value): value is ReadonlyArray<Value> => Array.isArray(value)

/** Char order is byte order here. Most dictionaries are made in order already, which is cheaper to see than to sort. */
const sortedKeys = (dictionary: Dictionary): ReadonlyArray<string> => {
  const keys = Object.keys(dictionary)
  for (let i = 1; i < keys.length; i++) {
    // The default order of `toSorted` is by UTF-16 code unit, which is what is wanted.
    if (keys[i - 1]! > keys[i]!) return keys.toSorted()
  }
  return keys
}
