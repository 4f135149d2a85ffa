/**
 * Peers of all characters around one engine, with virtual time. It does what the engine commands, and
 * holds each command to what the engine promises; a broken promise is thrown.
 */
import { assert } from "@effect/vitest"
import { Bitfield } from "../../../../src/protocol/swarm/download/Bitfield.ts"
import { type Command, Engine, type Event } from "../../../../src/protocol/swarm/download/Engine.ts"
import {
  BLOCK_BYTES,
  blocksOfPiece,
  type Geometry,
  lengthOfBlock
} from "../../../../src/protocol/swarm/download/Geometry.ts"
import { ORDERS_MAX } from "../../../../src/protocol/swarm/download/Orders.ts"
import { END_GAME_ASKERS, ORPHANS_MAX } from "../../../../src/protocol/swarm/download/Picker.ts"
import { PIPELINE_MAX } from "../../../../src/protocol/swarm/download/Pipeline.ts"

/** What a peer does with requests. */
export interface Character {
  readonly kind: "honest" | "liar" | "staller" | "refuser" | "fickle" | "trickler"
  readonly isFast: boolean
  /** Pieces that it has; all where none are named. */
  readonly pieces?: ReadonlyArray<number> | undefined
  /** From request to block, in ms. */
  readonly roundTripMs: number
  /** Between blocks, in ms. */
  readonly blockMs: number
  /** A trickler lies once, chokes, and sends one true block now and then. Of a liar's blocks every n-th is wrong; a staller stops, and a fickle one chokes, after as many. */
  readonly every: number
  /** `reqq` of BEP 10. */
  readonly queue: number
  /** How often it comes back after it was thrown out for being slow, or left. */
  readonly returns: number
}

export const honest: Character = {
  kind: "honest",
  isFast: true,
  roundTripMs: 20,
  blockMs: 1,
  every: 1,
  queue: 250,
  returns: 3
}

interface Connection {
  readonly id: number
  readonly name: number
  readonly character: Character
  readonly asked: Map<string, { readonly piece: number; readonly block: number }>
  isChoking: boolean
  blocks: number
  freeAt: number
}

/** Between the end of a connection and the next one to the same peer, in ms. */
const RETURN_MS = 300
const TICK_MS = 250

const keyOf = (piece: number, block: number) => `${piece}:${block}`

export class FakeSwarm {
  readonly engine: Engine
  readonly geometry: Geometry
  /** All commands, with the time. */
  readonly commands: Array<Command & { readonly at: number }> = []
  /** Ids of connections, and names of the peers behind them. */
  readonly bannedIds = new Set<number>()
  readonly bannedNames = new Set<number>()
  /** Most pieces that were open at a time. */
  mostOpen = 0
  /** Blocks that came for nothing. */
  wasted = 0
  now = 0
  readonly #random: () => number
  readonly #queue: Array<{ readonly at: number; readonly run: () => void }> = []
  readonly #connections = new Map<number, Connection>()
  readonly #names = new Map<number, number>()
  readonly #returned = new Map<number, number>()
  /** Blocks that are kept; the mark `""` is true. */
  readonly #kept = new Map<string, { readonly piece: number; readonly sender: number; readonly mark: string }>()
  #ids = 0

  constructor(options: {
    readonly geometry: Geometry
    readonly random: () => number
    readonly have?: Bitfield
    readonly firstBytes?: number
    readonly timeoutMs?: number
  }) {
    this.geometry = options.geometry
    this.#random = options.random
    this.engine = new Engine({
      geometry: options.geometry,
      have: options.have,
      firstBytes: options.firstBytes ?? 1,
      timeoutMs: options.timeoutMs ?? 8000,
      random: options.random
    })
    this.#after(TICK_MS, () => this.#tick())
  }

  get isComplete(): boolean {
    return this.engine.have.isFull
  }

  /** Connects a peer after a while. `name` stays with it when it comes back. */
  join(name: number, character: Character, afterMs = 0): void {
    this.#after(afterMs, () => this.#connect(name, character))
  }

  /** The peer goes away and may come back. */
  leave(name: number, afterMs: number): void {
    this.#after(afterMs, () => {
      for (const connection of this.#connections.values()) {
        if (connection.name === name) this.#disconnect(connection, true)
      }
    })
  }

  /** Runs until the torrent is complete or `untilMs` is reached. */
  run(untilMs: number): void {
    while (!this.isComplete) {
      const event = this.#queue.pop()
      if (event === undefined || event.at > untilMs) return
      this.now = event.at
      event.run()
    }
  }

  onOrderFrom(name: number): number {
    return [...this.#connections.values()].find((each) => each.name === name)?.asked.size ?? 0
  }

  #after(ms: number, run: () => void): void {
    const at = this.now + ms
    // The soonest is last; of those at the same time the one that was put in first.
    let [from, to] = [0, this.#queue.length]
    while (from < to) {
      const middle = (from + to) >> 1
      if (this.#queue[middle]!.at > at) from = middle + 1
      else to = middle
    }
    this.#queue.splice(from, 0, { at, run })
  }

  #tick(): void {
    this.step({ _tag: "Tick" })
    this.#after(TICK_MS, () => this.#tick())
  }

  step(event: Event): void {
    for (const command of this.engine.step(event, this.now)) {
      this.commands.push({ ...command, at: this.now })
      this.#obey(command)
    }
    this.mostOpen = Math.max(this.mostOpen, this.engine.openPieces)
    this.#checkBounds()
  }

  #connect(name: number, character: Character): void {
    if (this.bannedNames.has(name)) return
    const id = this.#ids++
    this.#names.set(id, name)
    const connection: Connection = {
      id,
      name,
      character,
      asked: new Map(),
      isChoking: true,
      blocks: 0,
      freeAt: this.now
    }
    this.#connections.set(id, connection)
    this.step({ _tag: "Joined", peer: id, isFast: character.isFast })
    this.step({ _tag: "Queues", peer: id, requests: character.queue })
    const { pieces } = character
    if (pieces === undefined) return this.step({ _tag: "HasAll", peer: id })
    const field = new Bitfield(this.geometry.pieceCount)
    for (const piece of pieces) field.add(piece)
    this.step({ _tag: "Has", peer: id, pieces: field.bytes })
  }

  #disconnect(connection: Connection, mayReturn: boolean): void {
    if (!this.#connections.delete(connection.id)) return
    this.step({ _tag: "Left", peer: connection.id })
    const { character, name } = connection
    const returned = this.#returned.get(name) ?? 0
    if (!mayReturn || returned >= character.returns) return
    this.#returned.set(name, returned + 1)
    this.join(name, character, RETURN_MS)
  }

  #obey(command: Command): void {
    switch (command._tag) {
      case "Interested": {
        const connection = this.#connections.get(command.peer)!
        return this.#after(connection.character.roundTripMs, () => this.#unchoke(connection))
      }
      case "Uninterested":
        return
      case "Request":
        return this.#onRequest(this.#connections.get(command.peer), command)
      case "Cancel": {
        const connection = this.#connections.get(command.peer)!
        assert.isTrue(
          connection.asked.delete(keyOf(command.piece, command.offset / BLOCK_BYTES)),
          "cancels what it asked"
        )
        return
      }
      case "Keep":
      case "Check":
        assert.fail("only a block brings blocks")
      case "Forget":
        return this.#drop((kept) => kept.piece === command.piece)
      case "Ban": {
        const name = this.#names.get(command.peer)!
        this.bannedIds.add(command.peer)
        this.bannedNames.add(name)
        // Who is thrown out owes nothing any more, though its connection ends a moment later.
        this.#connections.get(command.peer)?.asked.clear()
        this.#drop((kept) => kept.sender === command.peer && !this.engine.have.has(kept.piece))
        return this.#after(0, () => {
          for (const connection of this.#connections.values()) {
            if (connection.name === name) this.#disconnect(connection, false)
          }
        })
      }
      case "Replace": {
        const connection = this.#connections.get(command.peer)!
        connection.asked.clear()
        return this.#after(0, () => this.#disconnect(connection, true))
      }
    }
  }

  #unchoke(connection: Connection): void {
    if (!this.#connections.has(connection.id) || !connection.isChoking) return
    connection.isChoking = false
    this.step({ _tag: "Unchoked", peer: connection.id })
  }

  #onRequest(
    connection: Connection | undefined,
    request: { readonly piece: number; readonly offset: number; readonly length: number }
  ): void {
    assert.isDefined(connection, "asks only who is there")
    const { character, id } = connection
    const { offset, piece } = request
    const block = offset / BLOCK_BYTES
    const key = keyOf(piece, block)
    assert.isFalse(this.bannedIds.has(id), "never asks whom it has banned")
    assert.isFalse(connection.isChoking, "does not ask who chokes")
    assert.isFalse(this.#kept.has(key), "asks for nothing that is there")
    assert.isFalse(connection.asked.has(key), "asks a peer for a block once at a time")
    assert.isTrue(character.pieces?.includes(piece) ?? true, "asks for what the peer has")
    assert.strictEqual(request.length, lengthOfBlock(this.geometry, piece, block))
    const askers = [...this.#connections.values()].filter(({ asked }) => asked.has(key)).length
    if (askers > 0) {
      assert.isBelow(askers, END_GAME_ASKERS)
      assert.isFalse(this.#hasFree(character), "asks twice only when nothing else is left for the peer")
    }
    connection.asked.set(key, { piece, block })
    assert.isAtMost(connection.asked.size, Math.min(PIPELINE_MAX, character.queue), "keeps to the pipeline")
    const isFirst = connection.blocks === 0 && connection.asked.size === 1
    const blockMs = character.kind === "trickler" && isFirst ? 0 : character.blockMs
    const at = Math.max(this.now + character.roundTripMs, connection.freeAt + blockMs)
    connection.freeAt = at
    this.#after(at - this.now, () => this.#serve(connection, piece, block))
  }

  /** Whether a block that the peer has is missing, on order from nobody, and could be asked for. */
  #hasFree({ kind, pieces }: Character): boolean {
    if (kind === "refuser" || kind === "fickle") return false
    const ordered = new Set<string>()
    for (const { asked } of this.#connections.values()) for (const key of asked.keys()) ordered.add(key)
    for (let piece = 0; piece < this.geometry.pieceCount; piece++) {
      if (this.engine.have.has(piece) || this.engine.isContested(piece)) continue
      if (pieces !== undefined && !pieces.includes(piece)) continue
      for (let block = 0; block < blocksOfPiece(this.geometry, piece); block++) {
        const key = keyOf(piece, block)
        if (!ordered.has(key) && !this.#kept.has(key)) return true
      }
    }
    return false
  }

  #serve(connection: Connection, piece: number, block: number): void {
    if (!this.#connections.has(connection.id)) return
    const key = keyOf(piece, block)
    if (!connection.asked.has(key)) {
      this.wasted++
      return
    }
    const { character, id } = connection
    const at = { peer: id, piece, offset: block * BLOCK_BYTES }
    const isTurn = ++connection.blocks % character.every === 0
    if (character.kind === "refuser" && isTurn) {
      connection.asked.delete(key)
      return this.step({ _tag: "Rejected", ...at })
    }
    if (character.kind === "staller" && connection.blocks >= character.every) return
    if (character.kind === "fickle" && isTurn) return this.#choke(connection)
    connection.asked.delete(key)
    if (character.kind === "trickler" && connection.blocks === 1) {
      this.#onBlock({ _tag: "Block", ...at }, `lie of ${connection.name}`)
      return this.#choke(connection)
    }
    this.#onBlock({ _tag: "Block", ...at }, character.kind === "liar" && isTurn ? `lie of ${connection.name}` : "")
  }

  #choke(connection: Connection): void {
    connection.isChoking = true
    this.#after(100 + Math.floor(this.#random() * 100), () => this.#unchoke(connection))
    const asked = [...connection.asked.values()]
    connection.asked.clear()
    connection.freeAt = this.now
    this.step({ _tag: "Choked", peer: connection.id })
    if (!connection.character.isFast) return
    for (const { block, piece } of asked) {
      this.step({ _tag: "Rejected", peer: connection.id, piece, offset: block * BLOCK_BYTES })
    }
  }

  #onBlock(event: Extract<Event, { readonly _tag: "Block" | "Rejected" }>, mark: string): void {
    const checks: Array<number> = []
    for (const command of this.engine.step(event, this.now)) {
      this.commands.push({ ...command, at: this.now })
      if (command._tag === "Keep") {
        const { offset, piece } = command
        this.#kept.set(keyOf(piece, offset / BLOCK_BYTES), { piece, sender: event.peer, mark })
      } else if (command._tag === "Check") checks.push(command.piece)
      else this.#obey(command)
    }
    this.mostOpen = Math.max(this.mostOpen, this.engine.openPieces)
    for (const piece of checks) this.#check(piece)
    this.#checkBounds()
  }

  #check(piece: number): void {
    const keys = Array.from({ length: blocksOfPiece(this.geometry, piece) }, (_, block) => keyOf(piece, block))
    const prints = keys.map((key) => {
      const kept = this.#kept.get(key)
      assert.isDefined(kept, "checks a piece when all of it is there")
      return kept.mark
    })
    if (prints.every((print) => print === "")) return this.step({ _tag: "Verified", piece, prints })
    for (const key of keys) this.#kept.delete(key)
    this.step({ _tag: "Failed", piece, prints })
  }

  #drop(which: (kept: { readonly piece: number; readonly sender: number }) => boolean): void {
    for (const [key, kept] of this.#kept) if (which(kept)) this.#kept.delete(key)
  }

  #checkBounds(): void {
    const ordered = [...this.#connections.values()].reduce((sum, { asked }) => sum + asked.size, 0)
    assert.isAtMost(ordered, ORDERS_MAX + this.#connections.size)
    assert.isAtMost(this.engine.openPieces, ordered + this.#connections.size + ORPHANS_MAX + 1)
  }
}
