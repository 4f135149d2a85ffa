/**
 * Node's clock, timers and chance, replaced while a simulation runs by those of its kernel: the DHT
 * library takes them from the global scope, and cannot be given others.
 *
 * Whatever plans something belongs to the machine that runs just then (`within`), and dies with it.
 * Outside of any machine all is Node's own, which comes only when the simulation is over: work that
 * waits for the real world is found out, and what Node itself defers is not lost.
 */
import Client from "bittorrent-dht"
import type { Chance } from "../../protocol/testing/simulation/Chance.ts"
import type { Timer } from "../../protocol/testing/simulation/EventQueue.ts"
import type { Kernel, Process } from "../../protocol/testing/simulation/Kernel.ts"

/** Under which a kernel carries its globals: the network and whoever runs the kernel have to meet. */
const GLOBALS = Symbol("libreseed/VirtualGlobals")

/** Node takes a delay that is less than 1 ms, or more than fits 32 bits, for 1 ms. */
const DELAY_MAX_MS = 2 ** 31 - 1

/** Secrets of tokens, as many bytes as the library draws. */
const SECRET_BYTES = 20

const delayOf = (ms: unknown): number => (typeof ms === "number" && ms >= 1 && ms <= DELAY_MAX_MS ? ms : 1)

type Callback = (...args: ReadonlyArray<unknown>) => void

/** Any function, to be called with what its caller gave. */
type Replaced = (...args: never) => unknown

/** What stands for a `NodeJS.Timeout`. Nothing keeps a simulation alive, so `ref` and `unref` do nothing. */
class Handle {
  planned: Timer | undefined
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
  close(): this {
    this.planned?.cancel()
    this.planned = undefined
    return this
  }
}

export class VirtualGlobals {
  readonly #kernel: Kernel
  #machine: Process | undefined
  #isInForce = false

  private constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** Those of a kernel; always the same. */
  static of(kernel: Kernel): VirtualGlobals {
    const known: unknown = Reflect.get(kernel, GLOBALS)
    if (known instanceof VirtualGlobals) return known
    const made = new VirtualGlobals(kernel)
    Object.defineProperty(kernel, GLOBALS, { value: made })
    return made
  }

  /** Runs what the machine does. It may lead into another machine and come back. */
  within<A>(machine: Process, work: () => A): A {
    // With Node's own timers a run would end early, and go on when nobody looks.
    if (!this.#isInForce) throw new Error("A simulation of the real DHT client has to run within `around`")
    const before = this.#machine
    this.#machine = machine
    try {
      return work()
    } finally {
      this.#machine = before
    }
  }

  /** Plans what the machine does later, if it still runs then. */
  plan(machine: Process, delayMs: number, work: () => void): Timer {
    return machine.after(delayMs, () => this.within(machine, work))
  }

  /** Replaces the globals while `work` runs, which is to be synchronous. */
  around<A>(work: () => A): A {
    if (this.#isInForce) return work()
    const restores = this.#replacements().map(([holder, key, value]) => replace(holder, key, value))
    this.#isInForce = true
    try {
      return work()
    } finally {
      this.#isInForce = false
      for (const restore of restores) restore()
    }
  }

  #replacements(): ReadonlyArray<readonly [object, string, unknown]> {
    const { clearTimeout, queueMicrotask, setImmediate, setInterval, setTimeout } = globalThis
    const { nextTick } = process
    const { random } = Math
    const clear = (handle: unknown) => {
      if (handle instanceof Handle) return void handle.close()
      Reflect.apply(clearTimeout, globalThis, [handle])
    }
    return [
      [globalThis, "setTimeout", this.#delayed(setTimeout, (run, ms) => this.#once(run, delayOf(ms)))],
      [globalThis, "setInterval", this.#delayed(setInterval, (run, ms) => this.#repeatedly(run, delayOf(ms)))],
      [globalThis, "setImmediate", this.#soon(setImmediate)],
      [globalThis, "queueMicrotask", this.#soon(queueMicrotask)],
      [process, "nextTick", this.#soon(nextTick)],
      [globalThis, "clearTimeout", clear],
      [globalThis, "clearInterval", clear],
      [globalThis, "clearImmediate", clear],
      [globalThis, "Date", this.#dates(globalThis.Date)],
      [Math, "random", () => this.#machine?.random.nextDoubleUnsafe() ?? random()],
      [Client.prototype, "_rotateSecrets", this.#rotations()]
    ]
  }

  /** The library draws secrets with a function of Node that it got hold of when it was loaded. */
  #rotations() {
    const draw = () => Uint8Array.from({ length: SECRET_BYTES }, () => Math.floor(Math.random() * 256))
    return function (this: Client): void {
      this._secrets = [draw(), this._secrets?.[0] ?? draw()]
    }
  }

  #dates(real: DateConstructor): DateConstructor {
    const now = () => (this.#machine === undefined ? real.now() : this.#kernel.now + this.#machine.skewMs)
    return new Proxy(real, {
      get: (target, name, receiver) => (name === "now" ? now : Reflect.get(target, name, receiver)),
      construct: (target, args, newTarget) =>
        Reflect.construct(target, args.length === 0 && this.#machine !== undefined ? [now()] : args, newTarget)
    })
  }

  #delayed(real: Replaced, plan: (run: () => void, ms: unknown) => Handle) {
    return (callback: Callback, ms?: unknown, ...args: ReadonlyArray<unknown>): unknown =>
      this.#machine === undefined
        ? Reflect.apply(real, globalThis, [callback, ms, ...args])
        : plan(() => callback(...args), ms)
  }

  #soon(real: Replaced) {
    return (callback: Callback, ...args: ReadonlyArray<unknown>): unknown =>
      this.#machine === undefined
        ? Reflect.apply(real, process, [callback, ...args])
        : this.#once(() => callback(...args), 0)
  }

  #once(run: () => void, delayMs: number): Handle {
    const handle = new Handle()
    if (this.#machine !== undefined) handle.planned = this.plan(this.#machine, delayMs, run)
    return handle
  }

  #repeatedly(run: () => void, everyMs: number): Handle {
    const handle = new Handle()
    const machine = this.#machine
    const next = () => {
      if (machine === undefined) return
      handle.planned = this.plan(machine, everyMs, () => {
        // Before it runs, so that it can be cleared from inside.
        next()
        run()
      })
    }
    next()
    return handle
  }
}

/** Gives back what puts the property as it was. */
const replace = (holder: object, key: string, value: unknown): (() => void) => {
  const before = Object.getOwnPropertyDescriptor(holder, key)
  Object.defineProperty(holder, key, { value, configurable: true, enumerable: true, writable: true })
  return () => {
    if (before === undefined) Reflect.deleteProperty(holder, key)
    else Object.defineProperty(holder, key, before)
  }
}

/** Runs a whole simulation, synchronously, on virtual time and chance from the seed. */
export const around = <A>(kernel: Kernel, _chance: Chance, run: () => A): A => VirtualGlobals.of(kernel).around(run)
