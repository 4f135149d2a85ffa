/**
 * The library with a bug put into it on purpose: one file of `src/protocol` is changed as it is loaded, and
 * nothing on disk is. So many of them can run at once, and none is ever left behind.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"

/** Where a bug is, and what it is. */
export interface Change {
  readonly name: string
  /** Under `src/protocol`, like `dht/Record.ts`. */
  readonly file: string
  /** Stands exactly once in the file. */
  readonly find: string
  readonly replace: string
}

/** The change cannot be made as it is written down: the code has moved on. */
export class NoSuchPlace extends Error {
  override readonly name = "NoSuchPlace"
}

const protocol = Path.resolve(import.meta.dirname, "../../src/protocol")

export const pathOf = ({ file }: Change): string => Path.join(protocol, file)

/** The text with the change made. Throws {@link NoSuchPlace} unless its place is there exactly once. */
export const changed = ({ file, find, name, replace }: Change, text: string): string => {
  const [before, after, ...more] = text.split(find)
  if (after === undefined || before === undefined || more.length > 0) {
    const times = after === undefined ? "not there" : `there ${more.length + 1} times`
    throw new NoSuchPlace(
      `The bug "${name}" cannot be put into src/protocol/${file}: the text that it replaces is ${times}. Write it anew in test/mutation/Mutants.ts. The text: ${find}`
    )
  }
  if (find === replace) throw new NoSuchPlace(`The bug "${name}" changes nothing.`)
  return before + replace + after
}

/** The changed text of the file. */
export const sourceOf = (change: Change): string => changed(change, Fs.readFileSync(pathOf(change), "utf8"))
