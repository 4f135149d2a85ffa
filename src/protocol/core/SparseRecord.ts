/**
 * Null-prototype objects whose keys come from strangers. V8 stores a key that looks like an array
 * index in a backing array as long as that index, up to about 1,000 above what is there: a dozen
 * bytes of input (`d4:1023i0ee` or `{"1023":0}`) would hold 12 kB of memory.
 */

/** An object without a prototype, so that `__proto__` is a key like any other. */
export const make = <A>(): { [key: string]: A } => Object.create(null)

/** The largest array index of ECMAScript. */
const LARGEST_INDEX = "4294967294"

const ZERO = 0x30
const NINE = 0x39

/** Whether `key` may be an array index. */
export const isIndexLike = (key: string): boolean => {
  const first = key.charCodeAt(0)
  return first >= ZERO && first <= NINE
}

/**
 * Makes the engine keep index keys in a hash table, by giving the object the largest one for a
 * moment. Call it once, before the first index-like key is set.
 */
export const keepSparse = <A>(record: { [key: string]: A }, anyValue: A): void => {
  record[LARGEST_INDEX] = anyValue
  delete record[LARGEST_INDEX]
}
