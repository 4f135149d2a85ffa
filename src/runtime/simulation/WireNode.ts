/**
 * One storage node of the wire network: bittorrent-dht behind our guard and our store of items, on a machine
 * of the simulation. It is started and crashed any number of times, under one id and address.
 */
import type * as Bencode from "../../protocol/core/Bencode.ts"
import type { Chance } from "../../protocol/testing/simulation/Chance.ts"
import type { Process } from "../../protocol/testing/simulation/Kernel.ts"
import type { Behaviour, Ground, Holding } from "../../protocol/testing/simulation/Nodes.ts"
import { compactOf } from "../dht/items/ItemServer.ts"
import * as ItemStore from "../dht/items/ItemStore.ts"
import * as StorageNode from "../dht/items/StorageNode.ts"
import type * as DhtNode from "../dht/DhtNode.ts"
import { isDictionary } from "../dht/KrpcMessage.ts"
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
  /** How long it keeps an item after its last put, ms; may be `Infinity`. */
  readonly lifetimeMs: number
  /** Whom it starts from (`host:port`); asked at each start. */
  readonly bootstrap: (chance: Chance) => ReadonlyArray<string>
}

interface Running {
  readonly process: Process
  readonly node: DhtNode.Unbound
}

const RESPONSE = new Uint8Array(["r".charCodeAt(0)])

const latin1Bytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0))

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
  /** Its disk, as far as items go. */
  #items: ItemStore.ItemStore
  #starts = 0
  #running: Running | undefined

  constructor(options: Options) {
    this.#options = options
    this.name = options.name
    this.host = options.host
    this.port = options.port
    this.#lies = options.ground.chance.fork(`lies of ${options.name}`)
    this.#items = this.#emptyStore()
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
    const { bootstrap: startsFrom, ground, host, internet, name, nodeId, port } = this.#options
    const process = ground.kernel.process(`${name} ${++this.#starts}`)
    const chance = ground.chance.fork(`machine of ${process.name}`)
    const machine = WireMachine.make({ internet, name, process, nodeId, tampering: this.#tampering, chance, ground })
    const bootstrap = startsFrom(chance.fork("bootstrap"))
    if (!keepDisk) {
      this.#oldest = new Map()
      this.#items = this.#emptyStore()
    }
    const now = () => ground.kernel.now
    const node = StorageNode.open({ host, port, bootstrap, machine }, this.#items, ground.ed25519.verify, now)
    this.#running = { process, node }
    internet.globals.within(process, () => node.client.listen(port, host))
  }

  /** Stops it where it stands. */
  crash(): void {
    if (this.#running === undefined) return
    const { node, process } = this.#running
    process.kill()
    node.socket.close()
    this.#running = undefined
  }

  holdings(): ReadonlyArray<Holding> {
    if (this.#running === undefined) return []
    return Array.from(this.#items.entries(), ({ item, target }) => ({
      node: this.name,
      target,
      seq: item.mutable?.seq
    }))
  }

  #emptyStore(): ItemStore.ItemStore {
    const { capacity, ground, lifetimeMs, nodeId } = this.#options
    return ItemStore.make({
      now: () => ground.kernel.now,
      verify: ground.ed25519.verify,
      ownId: nodeId,
      itemsMax: capacity,
      lifetimeMs,
      // A scenario has one publisher, for whom all room is.
      networkShare: 1
    })
  }

  readonly #tampering: Tampering = {
    onQuery: ({ method, target, transactionId }) => {
      if (this.behaviour !== "stale" || method !== "put") return undefined
      if (this.#running === undefined || this.#items.get(target) === undefined) return undefined
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
