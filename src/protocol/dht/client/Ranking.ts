/** The nodes that one look-up has heard of, closest to its target first, and how far each has come. Silent ones leave it. */
import type { Contact } from "./Krpc.ts"
import * as Networks from "./Networks.ts"
import * as NodeId from "./NodeId.ts"

/** `late`: it may still answer, but others are asked beside it. */
export type State = "new" | "asked" | "late" | "answered" | "lost"

export interface Candidate {
  readonly address: string
  readonly owner: Networks.Owner
  /** Whether the id follows from the address (BEP 42), or need not. */
  isFit: boolean
  id: NodeId.NodeId
  state: State
  /** Questions that are under way to it. */
  open: number
  /** It was silent a moment ago: an answer is welcome, but hardly worth waiting for. */
  readonly isDoubtful: boolean
}

export const candidate = (contact: Contact, isDoubtful = false): Candidate => ({
  ...Networks.placed({ address: contact.address, id: contact.id }),
  state: "new",
  open: 0,
  isDoubtful
})

export class Ranking {
  readonly #target: NodeId.NodeId
  readonly #ranked: Array<Candidate> = []
  #width: number
  /** Those that count now; made anew when any of it has changed. */
  #counted: ReadonlyArray<Candidate> | undefined

  constructor(target: NodeId.NodeId, width: number) {
    this.#target = target
    this.#width = width
  }

  get size(): number {
    return this.#ranked.length
  }

  /** How many of the closest matter. */
  get width(): number {
    return this.#width
  }

  widen(width: number): void {
    this.#width = Math.max(this.#width, width)
    this.#counted = undefined
  }

  add(added: Candidate): void {
    const ranked = this.#ranked
    let at = ranked.length
    for (; at > 0 && NodeId.isCloser(this.#target, added.id, ranked[at - 1]!.id); at--) ranked[at] = ranked[at - 1]!
    ranked[at] = added
    this.#counted = undefined
  }

  remove(removed: Candidate): void {
    const at = this.#ranked.indexOf(removed)
    if (at >= 0) this.#ranked.splice(at, 1)
    this.#counted = undefined
  }

  /** It has another id than it was ranked by. */
  move(moved: Candidate, id: NodeId.NodeId): void {
    this.remove(moved)
    if (!NodeId.equals(moved.id, id)) {
      moved.id = id
      moved.isFit = Networks.isFit(moved.owner, id)
    }
    this.add(moved)
  }

  /** One that is late does not count: as long as it does not answer, others take its place. */
  noteLate(): void {
    this.#counted = undefined
  }

  /** Whether a node with this id is, or would be, among the closest. */
  isClose(id: NodeId.NodeId): boolean {
    const last = this.#closest.at(this.#width - 1)
    return last === undefined || !NodeId.isCloser(this.#target, last.id, id)
  }

  /** The closest one that nobody has asked yet. */
  get next(): Candidate | undefined {
    return this.#closest.find(({ state }) => state === "new")
  }

  /** Those that answered, closest first, few of one owner before all others. */
  get answered(): ReadonlyArray<Candidate> {
    const answered = this.#ranked.filter(({ state }) => state === "answered")
    return Networks.spread(answered, answered.length)
  }

  /** How many nodes stand closer than the closest that count, and do not count since others of their owner do. */
  get crowd(): number {
    const closest = this.#closest
    const last = closest.at(-1)
    if (last === undefined) return 0
    const counted = new Set(closest)
    return this.#ranked.filter(
      (each) => !counted.has(each) && each.owner.isPublic && NodeId.isCloser(this.#target, each.id, last.id)
    ).length
  }

  get #closest(): ReadonlyArray<Candidate> {
    return (this.#counted ??= Networks.spread(
      this.#ranked.filter(({ state }) => state !== "late"),
      this.#width
    ))
  }
}
