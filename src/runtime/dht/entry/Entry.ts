/**
 * A DHT node with all that brings it into the network and gives it its place there: the ways in (`Bootstrap`), what
 * is remembered from one time to the next, its outer address by vote, an id that fits it (BEP 42), and whether
 * others may count on it (BEP 43).
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { Dht } from "../../../protocol/dht/Dht.ts"
import { DhtError, NoNodes } from "../../../protocol/dht/DhtError.ts"
import { ID_BYTES } from "../../../protocol/dht/client/NodeId.ts"
import * as SecureId from "../../../protocol/dht/client/SecureId.ts"
import type { ItemArchive } from "../items/ItemArchive.ts"
import * as Bootstrap from "./Bootstrap.ts"
import * as CurrentNode from "./CurrentNode.ts"
import * as Defects from "./Defects.ts"
import { type External, ExternalAddress } from "./ExternalAddress.ts"
import * as HostLookup from "./HostLookup.ts"
import * as Introduction from "./Introduction.ts"
import * as LanDiscovery from "./LanDiscovery.ts"
import * as LiveStorage from "./LiveStorage.ts"
import * as MetNodes from "./MetNodes.ts"
import { NodeOffers } from "./NodeOffers.ts"
import * as OwnIdentity from "./OwnIdentity.ts"
import * as OwnTargets from "./OwnTargets.ts"
import { type Mode, Reach, type Role } from "./Reach.ts"
import * as RememberedNodes from "./RememberedNodes.ts"
import * as Standing from "./Standing.ts"
import * as SteadyClock from "./SteadyClock.ts"

export interface Options {
  /** IPv4 address to bind. */
  readonly host: string
  /** UDP port; 0 takes that of last time where it is free, or any. */
  readonly port: number
  readonly mode: Mode
  /** `host:port` of nodes to start from; a host may be a name. */
  readonly bootstrap: ReadonlyArray<string>
  /**
   * Whether the network is the public one: then nodes are remembered from one time to the next, and those that
   * peers of torrents tell of are asked. Nodes of another network must not be mixed with them.
   */
  readonly isPublic: boolean
  /** Domains that list nodes in TXT records. */
  readonly dnsSeeds: ReadonlyArray<string>
  /** Whether neighbours on the LAN are looked for. */
  readonly lan: boolean
  /** Where items held for others outlive the process; nowhere unless given, nor beside another process of the home. */
  readonly archive?: ItemArchive | undefined
  /** Targets (40 hex digits each) of what this host keeps alive, as of now: see `OwnTargets.follow`. */
  readonly ownTargets?: Effect.Effect<Iterable<string> | undefined> | undefined
  /** This computer's DNS unless given. */
  readonly lookup?: HostLookup.HostLookup | undefined
  /** Multicast unless given, which needs a `host` that is on a LAN. */
  readonly lanSocket?: Effect.Effect<LanDiscovery.LanSocket, never, Scope.Scope> | undefined
}

/** How a node stands in the network. */
export interface Report {
  readonly mode: Mode
  readonly role: Role
  /** `host:port` that is bound; `undefined` while no socket is open. */
  readonly bound: string | undefined
  /** 40 hex digits. */
  readonly nodeId: string
  /** Whether the id fits the outer address (BEP 42); `undefined` while that is not known. */
  readonly isSecure: boolean | undefined
  readonly external: External | undefined
  readonly ways: ReadonlyArray<Bootstrap.WayReport>
  /** Nodes in the routing table. */
  readonly nodes: number
}

/** What a node holds for others. */
export interface HeldItems {
  readonly count: number
  readonly bytes: number
  /** How often each thing has happened to items, and to questions for them, since the node's id is what it is. */
  readonly counters: ReadonlyMap<string, number>
}

export class Entry extends Context.Service<
  Entry,
  {
    readonly report: Effect.Effect<Report>
    /** How often each thing has happened at the node's socket, since its id is what it is. */
    readonly counters: Effect.Effect<ReadonlyMap<string, number>>
    readonly items: Effect.Effect<HeldItems>
    /** Own targets (40 hex digits): what this node holds of them for others it keeps, up to `OwnTargets.OWN_TARGETS_MAX` of the latest. */
    readonly pin: (target: string) => Effect.Effect<void>
  }
>()("@libreseed/protocol/runtime/dht/Entry") {}

/** Between two tries to get a socket after a rebuild has found none. */
const REOPEN_PAUSE = "5 seconds"

/** Only names tell a user what was tried where none of them could be looked up. */
const explain =
  (bootstrap: ReadonlyArray<string>) =>
  (error: DhtError): DhtError =>
    error.reason._tag === "NoNodes" && error.reason.bootstrap.length === 0
      ? new DhtError({ reason: new NoNodes({ bootstrap }) })
      : error

/** Opens the node. Fails with `SocketFailed` when the address cannot be bound. */
export const make = Effect.fnUntraced(function* (options: Options) {
  const clock = yield* Clock.Clock
  const random = yield* Random.Random
  const secureRandom = yield* SecureRandom
  const scope = yield* Effect.scope
  const now = () => clock.currentTimeMillisUnsafe()
  const since = now()
  const { host, isPublic, mode } = options
  const memory = isPublic ? yield* RememberedNodes.load(host) : RememberedNodes.EMPTY
  // Of several nodes of one home, one alone is the one of last time: in its id, and in what it holds for others.
  const isFirst = mode !== "client" && (yield* OwnIdentity.hold)
  const hasIdentity = isPublic && isFirst
  const own = hasIdentity ? memory.identity : undefined
  const votes = new ExternalAddress(now, own?.host)
  const reach = new Reach({ mode, boundHost: host, now })
  const ownTargets = new OwnTargets.OwnTargets(SteadyClock.make(now))
  if (options.ownTargets !== undefined) ownTargets.reread((yield* options.ownTargets) ?? [])
  const defects = yield* Defects.make
  let remembered = MetNodes.order(memory.nodes, () => random.nextDoubleUnsafe()).map(({ address }) => address)

  const bootstrap: Bootstrap.Bootstrap = yield* Bootstrap.make({
    boundHost: host,
    configured: options.bootstrap,
    dnsSeeds: options.dnsSeeds,
    isPublic,
    remembered: () => remembered,
    lookup: options.lookup ?? HostLookup.system,
    known: () => current.get()?.known() ?? [],
    accepted: () => {
      const counters = current.get()?.node.socket.counters()
      return (counters?.get("accepted-reply") ?? 0) + (counters?.get("accepted-query") ?? 0)
    },
    ask: (address, way, onAnswer) => {
      const node = current.get()?.node
      if (node === undefined) return onAnswer(false)
      if (way === "configured") node.addBootstrap([address])
      Introduction.ask(node, address, onAnswer)
    }
  })

  const startLooking = yield* Effect.cached(Effect.forkIn(bootstrap.keepLooking, scope))

  const current = yield* CurrentNode.make({
    first: {
      nodeId: own === undefined ? yield* secureRandom.randomBytes(ID_BYTES) : OwnIdentity.idOf(own),
      port: options.port,
      bootstrap: bootstrap.first
    },
    open: (opening) =>
      LiveStorage.open({
        ...opening,
        host,
        archive: isFirst ? options.archive : undefined,
        reach,
        votes,
        pinned: ownTargets,
        portHint: options.port === 0 ? own?.port : undefined,
        onDefect: defects.note,
        onNode: bootstrap.noteNode
      }),
    // A command that asks nothing of the network sends nothing into it.
    before: Effect.andThen(startLooking, bootstrap.entered),
    explain: explain(options.bootstrap)
  })

  const reopening = { schedule: Schedule.spaced(REOPEN_PAUSE), while: () => current.get() === undefined }
  yield* Effect.forkScoped(defects.watch(Effect.retry(current.replace(), reopening)))

  let identity: RememberedNodes.Identity | undefined
  const remember = Effect.gen(function* () {
    const node = current.get()?.node
    if (!isPublic || node === undefined) return
    // Who only asked us may not even have the address that it asked from.
    const nodes = node.client.nodes
      .toArray()
      .map((met) => ({ address: `${met.host}:${met.port}`, id: Hex.encode(met.id) }))
      .filter(({ address }) => reach.hasAsked(address))
    yield* RememberedNodes.save(host, { nodes, identity, since })
    remembered = nodes.length > 0 ? nodes.map(({ address }) => address) : remembered
  })

  yield* Effect.addFinalizer(() => remember)
  if (mode !== "client") {
    yield* startLooking
    const keep = Standing.keep({
      current,
      reach,
      votes,
      changedAt: own?.since,
      remember,
      onIdentity: (taken) => {
        identity = hasIdentity ? taken : undefined
      }
    })
    yield* Effect.forkScoped(keep)
  }
  const discover = Effect.gen(function* () {
    if (options.lanSocket === undefined) yield* LanDiscovery.check(host)
    const discovery = LanDiscovery.run({
      network: isPublic ? undefined : options.bootstrap.toSorted().join(),
      boundHost: host,
      port: () => current.get()?.port ?? options.port,
      socket: yield* options.lanSocket ?? LanDiscovery.multicast(host),
      onFound: (address) => bootstrap.offer(address, "lan")
    })
    yield* Effect.forkScoped(discovery)
  })
  if (options.lan) {
    yield* discover.pipe(Effect.catch(({ hint, message }) => Effect.logWarning(`${message}. ${hint}`)))
  }

  const report = Effect.sync((): Report => {
    const opened = current.get()
    const external = votes.get()
    return {
      mode,
      role: reach.role,
      bound: opened === undefined ? undefined : `${host}:${opened.port}`,
      nodeId: opened === undefined ? "" : Hex.encode(opened.node.rpc.id),
      isSecure:
        external === undefined || opened === undefined
          ? undefined
          : SecureId.isValid(opened.node.rpc.id, external.host),
      external,
      ways: bootstrap.report(),
      nodes: opened?.node.client.nodes.count() ?? 0
    }
  })

  const items = () => current.get()?.node.items
  const pin = (target: string) => OwnTargets.pin(ownTargets, items(), target)
  if (options.ownTargets !== undefined) {
    yield* Effect.forkScoped(OwnTargets.follow(ownTargets, options.ownTargets, items))
  }

  const entry = Entry.of({
    report,
    counters: Effect.sync(() => current.get()?.node.socket.counters() ?? new Map<string, number>()),
    items: Effect.sync(() => {
      const node = current.get()?.node
      return {
        count: node?.items.size ?? 0,
        bytes: node?.items.bytes ?? 0,
        counters: new Map<string, number>([...(node?.items.counters() ?? []), ...(node?.server.counters() ?? [])])
      }
    }),
    pin: (target) => Effect.sync(() => pin(target))
  })
  const offers: NodeOffers = {
    offer: (address) => bootstrap.offer(address, "torrent-peer"),
    port: () => (reach.role === "server" ? current.get()?.port : undefined)
  }
  // A client forgets with its end what it held.
  const dht = mode === "client" ? current.dht : OwnTargets.pinning(current.dht, pin)
  return { dht, entry, offers }
})

/** The node, until the scope closes. */
export const layer = (options: Options) =>
  Layer.effectContext(
    Effect.map(make(options), ({ dht, entry, offers }) =>
      Context.make(Dht, dht).pipe(Context.add(Entry, entry), Context.add(NodeOffers, offers))
    )
  )
