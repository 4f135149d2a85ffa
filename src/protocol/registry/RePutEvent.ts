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
  /** How long it takes until half of its holders are gone, as measured so far; `undefined` while none was lost. */
  readonly halfLifeMs: number | undefined
}

/** Of the nodes that took the last put, at {@link lastPut}, so many still hold it. */
export interface Survivors {
  readonly kept: number
  readonly of: number
  /** Unix milliseconds. */
  readonly lastPut: number
}

/** So many nodes hold it (`undefined` where the layer cannot tell), which is enough: nothing was written. */
export interface Held extends Planned {
  readonly _tag: "Held"
  readonly holders: number | undefined
  /** `undefined` where it is not known who took the last put. */
  readonly survivors: Survivors | undefined
  /** As of {@link Put}. */
  readonly halfLifeMs: number | undefined
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

/** So few nodes answered that nothing is known about it: that is no loss, and it is asked about again. */
export interface Unheard extends Planned {
  readonly _tag: "Unheard"
}

/** The stores were read for the first time; what an earlier run of this host knew is taken up where it was left. */
export interface Begun {
  readonly _tag: "Begun"
  /** Items that are kept alive. */
  readonly items: number
  /** Those of them that are taken up. */
  readonly resumed: number
  /** Items for which something is to be done at once: all that nothing is known of, and what became due meanwhile. */
  readonly due: number
  /** Unix milliseconds: when something is to be done for another one; `undefined` where all are due. */
  readonly nextDue: number | undefined
  /** Unix milliseconds: when that run last noted something; `undefined` where there was none. */
  readonly savedAt: number | undefined
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

export type RePutEvent =
  | Put
  | Held
  | Superseded
  | Mended
  | Failed
  | Unheard
  | Begun
  | BatchSize
  | Holdings
  | PagesDropped
  | StoreFailed
