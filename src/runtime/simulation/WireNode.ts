/**
 * One storage node of the wire network: bittorrent-dht behind our guard, on a machine of the simulation. It
 * is started and crashed any number of times, under one id and address.
 */
import type { Item } from "bittorrent-dht"
import type * as Bencode from "../../protocol/core/Bencode.ts"
import type { Chance } from "../../protocol/testing/simulation/Chance.ts"
import type { Process } from "../../protocol/testing/simulation/Kernel.ts"
import type { Behaviour, Ground, Holding } from "../../protocol/testing/simulation/Nodes.ts"
import * as DhtNode from "../dht/DhtNode.ts"
import { COMPACT_NODE_BYTES, isDictionary } from "../dht/KrpcMessage.ts"
import * as DishonestReplies from "./DishonestReplies.ts"
import type { Asked } from "./KrpcText.ts"
import * as WireMachine from "./WireMachine.ts"
import type { Internet, Tampering } from "./WireSocket.ts"

export interface Options {
  readonly ground: Ground
  readonly internet: Internet
  readonly name: string
  readonly host: string
  readonly port: number
  readonly nodeId: Uint8Array
  /** Items that it keeps. */
  readonly capacity: number
  /** Whom it starts from (`host:port`); asked at each start. */
  readonly bootstrap: (chance: Chance) => ReadonlyArray<string>
}

interface Running {
  readonly process: Process
  readonly node: DhtNode.Unbound
}

const RESPONSE = new Uint8Array(["r".charCodeAt(0)])

const latin1Bytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0))

/** Nodes as a reply names them (BEP 5 "Contact Encoding"). */
const compactOf = (nodes: ReadonlyArray<{ readonly id: Buffer; readonly host: string; readonly port: number }>) => {
  const compact = new Uint8Array(nodes.length * COMPACT_NODE_BYTES)
  nodes.forEach(({ host, id, port }, i) => {
    const at = i * COMPACT_NODE_BYTES
    compact.set(id, at)
    compact.set([...host.split(".").map(Number), port >> 8, port & 0xff], at + id.length)
  })
  return compact
}

/** Whether a put takes the place of the oldest record that is known. */
const isOlder = (args: Bencode.Dictionary, oldest: Bencode.Dictionary | undefined): boolean =>
  typeof args["seq"] === "number" && (oldest === undefined || args["seq"] < Number(oldest["seq"]))

export class WireNode {
  readonly name: string
  readonly host: string
  readonly port: number
  behaviour: Behaviour = "honest"
  readonly #options: Options
  readonly #lies: Chance
  #oldest = new Map<string, Bencode.Dictionary>()
  #kept: ReadonlyArray<readonly [string, Item]> = []
  #starts = 0
  #running: Running | undefined

  constructor(options: Options) {
    this.#options = options
    this.name = options.name
    this.host = options.host
    this.port = options.port
    this.#lies = options.ground.chance.fork(`lies of ${options.name}`)
  }

  get isUp(): boolean {
    return this.#running !== undefined
  }

  /** Whether it has looked for its neighbours. */
  get isReady(): boolean {
    return this.#running?.node.client.ready === true
  }

  /** Starts it, unless it is up, with what it held when it crashed or with nothing. */
  start(keepDisk: boolean): void {
    if (this.#running !== undefined) return
    const { bootstrap: startsFrom, capacity, ground, host, internet, name, nodeId, port } = this.#options
    const process = ground.kernel.process(`${name} ${++this.#starts}`)
    const chance = ground.chance.fork(`machine of ${process.name}`)
    const machine = WireMachine.make({ internet, name, process, nodeId, tampering: this.#tampering, chance, ground })
    const bootstrap = startsFrom(chance.fork("bootstrap"))
    const options = { host, port, bootstrap, machine, maxValues: capacity }
    const node = DhtNode.open(options, ground.ed25519.verify, () => ground.kernel.now)
    this.#running = { process, node }
    if (keepDisk) for (const [target, item] of this.#kept) node.client._values.set(target, item)
    else this.#oldest = new Map()
    this.#kept = []
    internet.globals.within(process, () => node.client.listen(port, host))
  }

  /** Stops it where it stands. */
  crash(): void {
    if (this.#running === undefined) return
    const { node, process } = this.#running
    process.kill()
    node.socket.close()
    this.#kept = this.#items(node)
    this.#running = undefined
  }

  holdings(): ReadonlyArray<Holding> {
    if (this.#running === undefined) return []
    return this.#items(this.#running.node).map(([target, { seq }]) => ({ node: this.name, target, seq }))
  }

  #items({ client }: DhtNode.Unbound): ReadonlyArray<readonly [string, Item]> {
    return client._values.keys.flatMap((target) => {
      const item = client._values.peek(target)
      return item === undefined ? [] : [[target, item] as const]
    })
  }

  readonly #tampering: Tampering = {
    onQuery: ({ method, target, transactionId }) => {
      if (this.behaviour !== "stale" || method !== "put") return undefined
      if (this.#running?.node.client._values.peek(target) === undefined) return undefined
      return { r: { id: this.#options.nodeId }, t: latin1Bytes(transactionId), y: RESPONSE }
    },
    onReply: (root, asked) => {
      if (asked.method === "put" && isDictionary(root["r"])) this.#noteOldest(asked)
      return this.behaviour === "honest"
        ? root
        : DishonestReplies.alter(this.behaviour, root, asked, this.#options.nodeId, this.#knowledge)
    }
  }

  #noteOldest({ args, target }: Asked): void {
    if (!isOlder(args, this.#oldest.get(target))) return
    const { k, seq, sig, v } = args
    if (k === undefined || seq === undefined || sig === undefined || v === undefined) return
    this.#oldest.set(target, { k, seq, sig, v })
  }

  get #knowledge(): DishonestReplies.Knowledge {
    return {
      chance: this.#lies,
      neighbours: (target, count) =>
        target.length === 0 || this.#running === undefined
          ? new Uint8Array(0)
          : compactOf(this.#running.node.rpc.nodes.closest(target, count)),
      oldest: (target) => this.#oldest.get(target)
    }
  }
}
