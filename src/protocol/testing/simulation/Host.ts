/**
 * A simulated machine of a user, a publisher or a seeder: a disk that stays, and a process that runs the
 * library's own code until it is stopped or loses power. Work is handed to it with `run`.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { ContentWrites } from "./ContentWrites.ts"
import type { Device } from "./Device.ts"
import type * as Disk from "./Disk.ts"
import { isKilled, type Process } from "./Kernel.ts"
import type { Member } from "./Nodes.ts"

/** The machine lost power while it was at work, or was off. */
export class HostDown extends Schema.TaggedError<HostDown>()("HostDown", { host: Schema.String }) {
  override get message() {
    return `${this.host} is down`
  }
}

/** What a host is made of; given by the world. */
export interface Parts<S> {
  readonly name: string
  /** Dotted IPv4. */
  readonly address: string
  readonly device: Device
  readonly makeDisk: () => Disk.Disk
  readonly makeProcess: (skewMs: number) => Process
  /** Every service, for one process. */
  readonly services: (member: Member, disk: Disk.Disk) => Layer.Layer<S, unknown>
  /** Told of background work that failed. */
  readonly onFailure: (work: string, cause: Cause.Cause<unknown>) => void
  /** Told that the machine stopped, or started with which disk. */
  readonly onChange: (change: "crashed" | "crashed, disk lost" | "started") => void
}

interface Running<S> {
  readonly process: Process
  readonly scope: Scope.Closeable
  readonly services: Effect.Effect<Context.Context<S>, unknown>
}

export class Host<S> {
  readonly name: string
  readonly address: string
  readonly device: Device
  /** What the disk holds, as nobody on the machine can see it: for laws. */
  disk: Disk.Disk
  /** Counts disks: a law that compares with earlier times begins anew with each. */
  disks = 1
  /** To the package stores of all of its disks. */
  readonly contentWrites = new ContentWrites()
  readonly #parts: Parts<S>
  #running: Running<S> | undefined
  #skewMs = 0

  constructor(parts: Parts<S>) {
    this.name = parts.name
    this.address = parts.address
    this.device = parts.device
    this.disk = this.contentWrites.counting(parts.makeDisk())
    this.#parts = parts
    this.start()
  }

  /** Another one after each loss of the disk. */
  get diskName(): string {
    return `${this.name} ${this.disks}`
  }

  get isUp(): boolean {
    return this.#running !== undefined
  }

  /** Does work on this machine. Fails with `HostDown` where it is off or loses power before the work is done. */
  run<A, E, R extends S | Scope.Scope>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E | HostDown> {
    return Effect.callback<A, E | HostDown>((resume) => {
      const running = this.#running
      if (running === undefined) return resume(Effect.fail(new HostDown({ host: this.name })))
      const interrupt = running.process.fork(this.#within(running, work), (exit) =>
        resume(Exit.isFailure(exit) && isKilled(exit.cause) ? Effect.fail(new HostDown({ host: this.name })) : exit)
      )
      return Effect.sync(interrupt)
    })
  }

  /** As {@link run}; what the work acquires is held until the process ends. */
  open<A, E, R extends S | Scope.Scope>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E | HostDown> {
    return Effect.suspend(() => {
      const scope = this.#running?.scope
      if (scope === undefined) return Effect.fail(new HostDown({ host: this.name }))
      return this.run(Effect.provideService(work, Scope.Scope, scope))
    })
  }

  /** Starts work that goes on until it ends or the process does. A failure is told to the world. */
  background<E, R extends S | Scope.Scope>(title: string, work: Effect.Effect<unknown, E, R>): void {
    const running = this.#running
    if (running === undefined) return
    const forked = Effect.forkIn(this.#within(running, work), running.scope, { startImmediately: true })
    running.process.fork(
      Effect.flatMap(forked, (fiber) => Effect.sync(() => fiber.addObserver((exit) => this.#ended(title, exit))))
    )
  }

  #ended(title: string, exit: Exit.Exit<unknown, unknown>): void {
    if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) this.#parts.onFailure(title, exit.cause)
  }

  /** The clock of this machine is so much ahead from now on. */
  skew(ms: number): void {
    this.#skewMs = ms
    if (this.#running !== undefined) this.#running.process.skewMs = ms
  }

  /** Power is lost. */
  crash(options?: { readonly keepDisk?: boolean }): void {
    if (this.#running === undefined) return
    this.#running.process.kill()
    this.#running = undefined
    if (options?.keepDisk === false) {
      this.disk = this.contentWrites.counting(this.#parts.makeDisk())
      this.disks++
    }
    this.#parts.onChange(options?.keepDisk === false ? "crashed, disk lost" : "crashed")
  }

  /** Starts the machine, unless it runs. */
  start(): void {
    if (this.#running !== undefined) return
    const process = this.#parts.makeProcess(this.#skewMs)
    const member: Member = { name: this.name, host: this.address, process }
    const scope = Scope.makeUnsafe()
    const services = Effect.runSync(
      Effect.cached(Layer.buildWithScope(Layer.fresh(this.#parts.services(member, this.disk)), scope))
    )
    this.#running = { process, scope, services }
    this.#parts.onChange("started")
  }

  /** Stops the process in order: finalizers run. Calls back when that is done. */
  stop(onStopped: () => void): void {
    const running = this.#running
    this.#running = undefined
    if (running === undefined) return onStopped()
    running.process.fork(Scope.close(running.scope, Exit.void), onStopped)
  }

  #within<A, E, R extends S | Scope.Scope>({ services }: Running<S>, work: Effect.Effect<A, E, R>) {
    return Effect.flatMap(Effect.orDie(services), (context) => Effect.provideContext(Effect.scoped(work), context))
  }
}
