/**
 * What the client's algorithms stand on where it is live (`Transport`): questions in UDP datagrams past
 * the library, behind its guard, and the routing table that the library keeps.
 */
import type { Node } from "bittorrent-dht"
import { type Contact, type Question, UNSENT } from "../../protocol/dht/client/Krpc.ts"
import * as NodeId from "../../protocol/dht/client/NodeId.ts"
import type { OnAnswer, Transport } from "../../protocol/dht/client/Transport.ts"
import * as PeerAddress from "../../protocol/core/PeerAddress.ts"
import * as DhtNode from "./DhtNode.ts"
import { FadedNodes } from "./FadedNodes.ts"
import { HostNames, type Resolve } from "./HostNames.ts"
import * as KrpcQuestions from "./KrpcQuestions.ts"
import { peerName } from "./KrpcTransactions.ts"
import { QueryPace } from "./QueryPace.ts"

/**
 * How long an answer is waited for, ms. Nine of ten that come on today's Mainline come within 600 ms; look-ups
 * do not wait so long for any single node.
 */
export const QUERY_TIMEOUT_MS = 1_500

/** How long the address of a host name is waited for, ms: resolvers ask again after 5 s, and a user waits for less. */
export const RESOLVE_TIMEOUT_MS = 3_000

export interface Options {
  /** {@link QUERY_TIMEOUT_MS} unless given. */
  readonly timeoutMs?: number | undefined
  /** The system's unless given. */
  readonly resolve?: Resolve | undefined
}

class UdpTransport implements Transport {
  readonly now: () => number
  readonly after: Transport["after"]
  readonly timeoutMs: number
  readonly #node: DhtNode.DhtNode
  readonly #names: HostNames
  readonly #faded: FadedNodes
  readonly #ownId: NodeId.NodeId
  /** Of those in the table. */
  readonly #contacts = new WeakMap<Node, Contact>()
  readonly #pace: QueryPace

  constructor(node: DhtNode.DhtNode, options: Options) {
    this.#node = node
    this.now = node.now
    this.after = node.after
    this.timeoutMs = options.timeoutMs ?? QUERY_TIMEOUT_MS
    this.#names = new HostNames(node.now, options.resolve)
    this.#faded = new FadedNodes(node.now)
    this.#pace = new QueryPace(node.now, node.after)
    this.#ownId = NodeId.fromBytes(node.rpc.id)
    // The library takes silent nodes out by itself too.
    node.rpc.nodes.on("removed", (gone) => this.#faded.note(this.#contactOf(gone)))
  }

  readonly isOwn = (id: NodeId.NodeId): boolean => NodeId.equals(id, this.#ownId)

  readonly closest = (target: NodeId.NodeId, count: number): ReadonlyArray<Contact> =>
    this.#node.rpc.nodes.closest(NodeId.toBytes(target), count).map((node) => this.#contactOf(node))

  readonly faded = (): ReadonlyArray<Contact> => this.#faded.all

  readonly bootstrap = (): ReadonlyArray<string> => this.#node.bootstrap()

  readonly nodeCount = (): number =>
    this.#node.client.nodes.count() + this.#faded.lately.filter(({ id }) => this.#entryOf(id) === null).length

  readonly ask: Transport["ask"] = (address, question, onAnswer, onSent = () => {}) => {
    const takeBack = this.#pace.begin((done) => {
      onSent()
      this.#send(address, question, (answer, from) => {
        done()
        onAnswer(answer, from)
      })
    })
    if (takeBack !== undefined) return takeBack
    return this.after(0, () => onAnswer(UNSENT, address))
  }

  readonly noteAnswer = ({ address, id }: Contact): void => {
    const place = DhtNode.parseAddress(address)
    if (place === undefined) return
    this.#faded.forget(address)
    DhtNode.hear(this.#node, NodeId.toBytes(id), place, this.now())
  }

  readonly noteSilence = (contact: Contact): void => this.#remove(contact)

  readonly noteImpostor = (contact: Contact): void => {
    this.#remove(contact)
    this.#faded.forget(contact.address)
  }

  #send(address: string, question: Question, onAnswer: OnAnswer): void {
    const place = DhtNode.parseAddress(address)
    if (place === undefined) return void this.after(0, () => onAnswer(undefined, address))
    const { rpc, socket } = this.#node
    const request = (host: string) => {
      const from = peerName(host, place.port)
      socket.request(
        KrpcQuestions.write(question, rpc.id),
        host,
        place.port,
        this.timeoutMs,
        (reply) => onAnswer(reply === undefined ? undefined : KrpcQuestions.read(reply, this.isOwn), from),
        () => onAnswer(UNSENT, from)
      )
    }
    if (PeerAddress.isIpv4(place.host)) return request(place.host)
    this.#resolve(place.host, (host) => (host === undefined ? onAnswer(undefined, address) : request(host)))
  }

  /** Calls back once, with nothing when the name is not found in time; not before this returns when it is not found. */
  #resolve(name: string, onHost: (host: string | undefined) => void): void {
    let isOver = false
    const end = (host: string | undefined) => {
      if (isOver) return
      isOver = true
      cancel()
      onHost(host)
    }
    const cancel = this.after(RESOLVE_TIMEOUT_MS, () => end(undefined))
    this.#names.find(name, (host) => (host === undefined ? this.after(0, () => end(undefined)) : end(host)))
  }

  #entryOf(id: NodeId.NodeId): Node | null {
    return this.#node.rpc.nodes.get(NodeId.toBytes(id))
  }

  #remove({ address, id }: Contact): void {
    const entry = this.#entryOf(id)
    // What somebody says of a node elsewhere is no reason to forget the one that is known under this id.
    if (entry !== null && peerName(entry.host, entry.port) === address) this.#node.rpc.nodes.remove(entry.id)
  }

  #contactOf(node: Node): Contact {
    const known = this.#contacts.get(node)
    if (known !== undefined) return known
    const contact = { id: NodeId.fromBytes(node.id), address: peerName(node.host, node.port) }
    this.#contacts.set(node, contact)
    return contact
  }
}

/** The client side of a node. The node may have one at a time. */
export const make = (node: DhtNode.DhtNode, options: Options = {}): Transport => new UdpTransport(node, options)
