/**
 * What happened in a simulation, in order: messages, faults, steps, findings. Two runs are the same
 * exactly if their traces have one hash. A person reads it line by line: virtual time, who, an arrow,
 * whom, what.
 */
import { sha256 } from "@noble/hashes/sha2.js"
import * as Hex from "effect/encoding/Hex"

/**
 * `sent` left and will arrive; `lost` left and will not (the text says why); `twice` is a second copy of
 * the last one sent. `did` is work of a user or host, `disk` a write, `fault` and `heal` what is
 * done to them, `broke` a law that does not hold.
 */
export type Kind = "sent" | "lost" | "twice" | "did" | "disk" | "fault" | "heal" | "broke" | "note"

export interface Entry {
  /** Virtual ms since the beginning. */
  readonly atMs: number
  readonly kind: Kind
  readonly from: string
  /** The receiver of a message. */
  readonly to?: string | undefined
  readonly text: string
  /** Ms that a message travels. */
  readonly delayMs?: number | undefined
}

/** How much is kept beside the hash: nothing, the end of it, or all. */
export type Keep = "none" | "tail" | "all"

/** Entries that `tail` keeps. */
export const TAIL_ENTRIES = 400

const ARROWS: { readonly [K in Kind]: string } = {
  sent: "->",
  lost: "-x",
  twice: "=>",
  did: " :",
  disk: " #",
  fault: " !",
  heal: " ~",
  broke: " X",
  note: "  "
}

const pad = (value: number, digits: number): string => String(value).padStart(digits, "0")

/** `1d 02:03:04.567`; days only where there are any. */
export const timeOf = (ms: number): string => {
  const seconds = Math.floor(ms / 1000)
  const days = Math.floor(seconds / 86_400)
  const clock = `${pad(Math.floor(seconds / 3600) % 24, 2)}:${pad(Math.floor(seconds / 60) % 60, 2)}:${pad(seconds % 60, 2)}`
  return `${days === 0 ? "" : `${days}d `}${clock}.${pad(ms % 1000, 3)}`
}

/** What may not stand in a line: control characters, which a hostile text can bring. */
const CONTROL = /[\p{Cc}\u2028\u2029]/u
const ALL_CONTROL = new RegExp(CONTROL, "gu")

const oneLine = (text: string): string => (CONTROL.test(text) ? text.replaceAll(ALL_CONTROL, "\uFFFD") : text)

/** One line. */
export const lineOf = ({ atMs, delayMs, from, kind, text, to }: Entry): string =>
  `${timeOf(atMs)} ${from.padEnd(8)} ${ARROWS[kind]} ${to === undefined ? "" : `${to.padEnd(8)} `}${oneLine(text)}${delayMs === undefined ? "" : ` (${delayMs} ms)`}`

const encoder = new TextEncoder()

export class Trace {
  readonly #hash = sha256.create()
  readonly #keep: Keep
  #entries: Array<Entry> = []
  #count = 0

  constructor(keep: Keep) {
    this.#keep = keep
  }

  add(entry: Entry): void {
    this.#count++
    this.#hash.update(encoder.encode(`${lineOf(entry)}\n`))
    if (this.#keep === "none") return
    this.#entries.push(entry)
    if (this.#keep === "tail" && this.#entries.length >= 2 * TAIL_ENTRIES) {
      this.#entries = this.#entries.slice(-TAIL_ENTRIES)
    }
  }

  /** Entries so far, kept or not. */
  get count(): number {
    return this.#count
  }

  get entries(): ReadonlyArray<Entry> {
    return this.#keep === "tail" ? this.#entries.slice(-TAIL_ENTRIES) : this.#entries
  }

  /** SHA-256 over all lines, each with its line feed; hexadecimal. */
  get hash(): string {
    return Hex.encode(this.#hash.clone().digest())
  }
}
