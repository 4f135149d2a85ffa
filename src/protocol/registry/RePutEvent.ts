/** What happens to the items that are kept alive, as it happens: for logs, displays and tests. */
import type { Kind } from "./RePutItem.ts"

interface OfItem {
  readonly kind: Kind
  /** Hex, 40 digits. */
  readonly target: string
  readonly keyString: string | undefined
  /** Unix milliseconds. */
  readonly at: number
}

interface Planned extends OfItem {
  /** Unix milliseconds: when something is to be done for it next. */
  readonly nextDue: number
}

/** It was put, and so many nodes took it. */
export interface Put extends Planned {
  readonly _tag: "Put"
  readonly acks: number
}

/** So many nodes hold it (`undefined` where the layer cannot tell), which is enough: nothing was written. */
export interface Held extends Planned {
  readonly _tag: "Held"
  readonly holders: number | undefined
}

/** The network had a newer record, which is remembered in its place. */
export interface Superseded extends OfItem {
  readonly _tag: "Superseded"
  readonly seq: number
}

/** Claims that the network lacked were put back into the record of a name. */
export interface Mended extends Planned {
  readonly _tag: "Mended"
}

/** Nothing came of it this time; `failures` in a row. */
export interface Failed extends Planned {
  readonly _tag: "Failed"
  readonly problem: string
  readonly failures: number
}

/** The next batch has another size. */
export interface BatchSize {
  readonly _tag: "BatchSize"
  readonly size: number
  readonly before: number
}

/** What the stores hold changed. */
export interface Holdings {
  readonly _tag: "Holdings"
  readonly added: number
  readonly removed: number
}

/** Pages that no held record reaches any more were dropped. */
export interface PagesDropped {
  readonly _tag: "PagesDropped"
  readonly count: number
}

/** A store could not be read; what was read before is kept alive meanwhile. */
export interface StoreFailed {
  readonly _tag: "StoreFailed"
  readonly problem: string
}

export type RePutEvent = Put | Held | Superseded | Mended | Failed | BatchSize | Holdings | PagesDropped | StoreFailed
