/**
 * Everything that a scenario has: the network, its weather, and the machines of people. Made anew for
 * each run.
 */
import * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Ed25519 } from "../../core/Ed25519.ts"
import { Hasher } from "../../core/Hasher.ts"
import * as PublicKey from "../../core/PublicKey.ts"
import type { TopicPeers } from "../../dht/TopicPeers.ts"
import type { Dht } from "../../dht/Dht.ts"
import type { PublisherTrust } from "../../registry/PublisherTrust.ts"
import { Seeders } from "../../registry/Seeders.ts"
import type { Swarm } from "../../swarm/Swarm.ts"
import * as Trust from "../../trust/Trust.ts"
import { Afflictions } from "./Afflictions.ts"
import type { Chance } from "./Chance.ts"
import { Device } from "./Device.ts"
import * as Disk from "./Disk.ts"
import { Given } from "./Given.ts"
import { Host } from "./Host.ts"
import type { Kernel, Process } from "./Kernel.ts"
import * as ModelSwarm from "./ModelSwarm.ts"
import * as ModelTopics from "./ModelTopics.ts"
import type { Ground, Nodes } from "./Nodes.ts"
import { sentenceOf, stackOf } from "./Sentence.ts"
import type { Kind, Trace } from "./Trace.ts"
import { Truth } from "./Truth.ts"
import type { Weather } from "./Weather.ts"

/** Every service of the library, as on a live host. */
export type Services = Disk.Stores | Dht | Swarm | TopicPeers | PublisherTrust | Seeders | Ed25519 | Hasher

export type Machine = Host<Services>

/** Work for a machine. */
export type Work<A, E = unknown> = Effect.Effect<A, E, Services>

/** What went wrong (`plan`: what was to be left out is not there, and nothing was played), in a word for the trace and a sentence for people. */
export interface Finding {
  readonly kind:
    | "plan"
    | "law"
    | "goal"
    | "step"
    | "defect"
    | "deadlock"
    | "livelock"
    | "overtime"
    | "leak"
    | "real world"
  readonly text: string
  /** Virtual ms since the beginning. */
  readonly atMs: number
  /** Of the error, where it has one. */
  readonly stack?: string | undefined
}

/** Whom a name may mean next: a key in hex, or anybody, and nobody too. */
type Repin = string

export interface Options {
  readonly ground: Ground
  readonly nodes: Nodes
  readonly hasher: Hasher["Service"]
}

export class World {
  readonly kernel: Kernel
  readonly weather: Weather
  readonly trace: Trace
  readonly nodes: Nodes
  readonly peers: ModelSwarm.Peers
  readonly ed25519: Ed25519["Service"]
  /** For what the scenario itself draws; each label a stream of its own. */
  readonly chance: Chance
  finding: Finding | undefined
  readonly afflictions = new Afflictions()
  /** What honest publishers signed. */
  readonly truth = new Truth()
  /** What resolutions gave to users. */
  readonly given = new Given()
  /** Whether anything has happened since the laws were asked last. */
  isTouched = true
  /** Machines whose disks were written to since then. */
  written = new Set<Machine>()
  readonly #topics: ModelTopics.Topics
  readonly #chance: Chance
  #defect: { readonly cause: Cause.Cause<unknown>; readonly who: string } | undefined
  readonly #hasher: Hasher["Service"]
  readonly #hosts = new Map<string, Machine>()
  readonly #repinned = new Set<string>()
  readonly #repins = new Map<string, Array<Repin>>()

  constructor({ ground, hasher, nodes }: Options) {
    this.#hasher = hasher
    this.kernel = ground.kernel
    this.weather = ground.weather
    this.trace = ground.trace
    this.ed25519 = ground.ed25519
    this.chance = ground.chance.fork("scenario")
    this.nodes = nodes
    this.#chance = ground.chance
    this.peers = new ModelSwarm.Peers(ground)
    this.#topics = new ModelTopics.Topics(ground, this.peers.streams)
  }

  get hosts(): ReadonlyArray<Machine> {
    return [...this.#hosts.values()]
  }

  hostNamed(name: string): Machine | undefined {
    return this.#hosts.get(name)
  }

  /** A new machine with an empty disk. Its name is shown in the trace; a name that is taken is a caller's bug. */
  host(name: string): Machine {
    if (this.#hosts.has(name)) throw new RangeError(`there are two hosts named ${name}`)
    const number = this.#hosts.size + 1
    const device = new Device(this.#chance.fork(`disk of ${name}`))
    device.watch((what, isMade) => {
      if (!isMade) return
      this.written.add(host)
      this.note("disk", name, what)
    })
    device.onProblem = (what, problem) => this.note("disk", name, `${what} fails: ${problem}`)
    const host: Machine = new Host<Services>({
      name,
      address: `10.1.${number >> 8}.${number & 255}`,
      device,
      makeDisk: () => Disk.make(this.ed25519),
      makeProcess: (skewMs) => this.#process(name, skewMs),
      services: (member, disk) => this.#services(member, disk, device),
      onFailure: (work, cause) => {
        this.note("did", name, `${work}: ${sentenceOf(cause)}`)
        if (Cause.hasDies(cause)) this.findCause("defect", cause, `${name}, ${work}: `)
      },
      onChange: (change) => this.note(change === "started" ? "note" : "fault", name, change)
    })
    this.#hosts.set(name, host)
    return host
  }

  /**
   * The user of a host is about to say that a name means somebody else: this publisher and nobody else, where one is
   * given. Allows one change, whenever it comes.
   */
  repins(host: string, name: string, publisher?: PublicKey.PublicKey): void {
    const key = `${host} ${name}`
    this.#repinned.add(key)
    this.#repins.set(key, [
      ...(this.#repins.get(key) ?? []),
      publisher === undefined ? "anybody" : PublicKey.toHex(publisher)
    ])
  }

  /** Whether the user of a host has ever said that a name means somebody else. */
  mayRepin(host: string, name: string): boolean {
    return this.#repinned.has(`${host} ${name}`)
  }

  /** Whether the user meant the change of a pin that has just been seen, to a key in hex or to nobody. Uses up what allows it. */
  takeRepin(host: string, name: string, to: string | undefined): boolean {
    const allowed = this.#repins.get(`${host} ${name}`) ?? []
    const at = allowed.findIndex((repin) => repin === "anybody" || repin === to)
    if (at < 0) return false
    allowed.splice(at, 1)
    return true
  }

  /** Adds to the trace. */
  note(kind: Kind, from: string, text: string): void {
    this.isTouched = true
    this.trace.add({ atMs: this.kernel.elapsedMs, kind, from, text })
  }

  /** A fiber died. Whoever waits for it will say so at the same moment, and better. */
  noteDefect(cause: Cause.Cause<unknown>, who = ""): void {
    this.#defect ??= { cause, who }
  }

  /** Makes a finding of a fiber that died and that nobody has spoken of. */
  findDefect(): void {
    if (this.#defect !== undefined) this.findCause("defect", this.#defect.cause, this.#defect.who)
  }

  /** Something is wrong: the run ends with the first finding. */
  find(kind: Finding["kind"], text: string, stack?: string): void {
    if (this.finding !== undefined) return
    this.finding = { kind, text, atMs: this.kernel.elapsedMs, stack }
    this.note("broke", kind, text)
  }

  /** As {@link find}, of what failed; `before` says who or what did. */
  findCause(kind: Finding["kind"], cause: Cause.Cause<unknown>, before = ""): void {
    this.find(kind, `${before}${sentenceOf(cause)}`, stackOf(cause))
  }

  #started = 0

  #process(name: string, skewMs: number): Process {
    this.#started++
    const process = this.kernel.process(`${name} ${this.#started}`, skewMs)
    process.onLog = (line) => this.note("note", name, line)
    process.onDefect = (cause) => this.noteDefect(cause, `${name}: `)
    return process
  }

  #services(member: Parameters<Nodes["dht"]>[0], disk: Disk.Disk, device: Device) {
    return Layer.mergeAll(
      this.peers.swarm(member),
      Layer.fresh(Trust.layer),
      Layer.fresh(Seeders.layerDht),
      this.#topics.layer(member)
    ).pipe(
      Layer.provideMerge(this.nodes.dht(member)),
      Layer.provideMerge(
        Layer.mergeAll(
          Layer.succeed(Ed25519, this.ed25519),
          Layer.succeed(Hasher, this.#hasher),
          Disk.layer(disk, device, `the disk of ${member.name}`)
        )
      )
    )
  }
}
