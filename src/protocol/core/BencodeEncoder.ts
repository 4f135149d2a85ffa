/**
 * The writing half of {@link Bencode}: canonical bencode (BEP 3) in one pass over the value, into
 * one buffer that grows by doubling.
 */
import { type Dictionary, MAX_INT64, MIN_INT64, type Value } from "./BencodeDecoder.ts"

/**
 * The canonical bencode of `value`; keys may come in any order.
 *
 * Throws `TypeError` for what only a programmer's error can produce: a number that is not a safe
 * integer, a bigint outside int64, a key with a char over U+00FF, a value of another type.
 */
export const encode = (value: Value): Uint8Array => {
  const writer = new Writer()
  writer.writeValue(value)
  return writer.finish()
}

/** Holds a BEP 44 record or a KRPC message without growing. */
const FIRST_BUFFER_BYTES = 1280

/** Character codes of the grammar. */
const LIST = 0x6c
const DICTIONARY = 0x64
const END = 0x65

class Writer {
  #buffer = new Uint8Array(FIRST_BUFFER_BYTES)
  #length = 0

  finish(): Uint8Array {
    return this.#buffer.slice(0, this.#length)
  }

  #reserve(extra: number): void {
    const needed = this.#length + extra
    if (needed <= this.#buffer.length) return
    const larger = new Uint8Array(Math.max(needed, this.#buffer.length * 2))
    larger.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = larger
  }

  #writeByte(byte: number): void {
    this.#reserve(1)
    this.#buffer[this.#length++] = byte
  }

  #writeLatin1(text: string): void {
    this.#reserve(text.length)
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code > 0xff) throw new TypeError("Bencode keys are byte strings: no char over U+00FF")
      this.#buffer[this.#length++] = code
    }
  }

  writeValue(value: Value): void {
    if (value instanceof Uint8Array) {
      this.#writeLatin1(`${value.length}:`)
      this.#reserve(value.length)
      this.#buffer.set(value, this.#length)
      this.#length += value.length
    } else if (typeof value === "number") {
      if (!Number.isSafeInteger(value))
        throw new TypeError(`Bencode has no number ${value}: use a safe integer or bigint`)
      this.#writeLatin1(`i${value}e`)
    } else if (typeof value === "bigint") {
      if (value > MAX_INT64 || value < MIN_INT64) throw new TypeError("Bencode integers are limited to 64 bits")
      this.#writeLatin1(`i${value}e`)
    } else if (isList(value)) {
      this.#writeByte(LIST)
      for (const item of value) this.writeValue(item)
      this.#writeByte(END)
    } else if (typeof value === "object" && value !== null) {
      this.#writeDictionary(value)
    } else {
      throw new TypeError(`Bencode has no ${value === null ? "null" : typeof value}`)
    }
  }

  #writeDictionary(dictionary: Dictionary): void {
    this.#writeByte(DICTIONARY)
    for (const key of sortedKeys(dictionary)) {
      this.#writeLatin1(`${key.length}:`)
      this.#writeLatin1(key)
      this.writeValue(dictionary[key]!)
    }
    this.#writeByte(END)
  }
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
