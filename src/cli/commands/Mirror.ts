/** `ls-cli mirror <spec…>`: packages of an npm registry, with all that they depend on, under the user's key. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { ExitCode } from "../../protocol/core/Errors.ts"
import * as Infohash from "../../protocol/core/Infohash.ts"
import { Keystore } from "../../protocol/core/Keystore.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import { DhtError, NetworkForbidden } from "../../protocol/dht/DhtError.ts"
import * as Quorum from "../../protocol/dht/Quorum.ts"
import * as Mirror from "../../runtime/mirror/Mirror.ts"
import { fail, MirrorIncomplete } from "../../runtime/mirror/MirrorError.ts"
import type { Picked } from "../../runtime/mirror/MirrorSource.ts"
import * as RegistryClient from "../../runtime/mirror/RegistryClient.ts"
import * as Wanted from "../../runtime/mirror/Wanted.ts"
import * as PublicationLock from "../../runtime/store/PublicationLock.ts"
import { Output } from "../Output.ts"
import * as Progress from "../Progress.ts"
import { Session } from "../Session.ts"
import { InvalidArgument } from "../Settings.ts"
import { VERSION } from "../Version.ts"
import { keyNameOf } from "./Keys.ts"
import * as Network from "./Network.ts"
import { acksOf, tellingOwner } from "./Publish.ts"

export interface Flags {
  readonly registry: string
  readonly key: string
  readonly dryRun: boolean
  readonly concurrency: number
  readonly rate: number
  readonly includeDev: boolean
  readonly dependencies: boolean
  readonly minAcks: number
}

const CONCURRENCY_MAX = 64
const RATE_MAX = 1000

/** Rivals named in the text for people; the document has them all. */
const RIVALS_SHOWN = 5

const STATES: { readonly [state in Mirror.State]: string } = {
  published: "published",
  resumed: "finished",
  unchanged: "was published"
}

const invalid = (argument: string, problem: string, hint: string) => new InvalidArgument({ argument, problem, hint })

const requestsOf = (specs: ReadonlyArray<string>) =>
  Effect.forEach(specs, (spec) => {
    const request = Wanted.parse(spec)
    return Result.isSuccess(request)
      ? Effect.succeed(request.success)
      : Effect.fail(
          invalid(
            JSON.stringify(spec),
            request.failure,
            "Write name, name@version, name@range or name@tag, as for npm."
          )
        )
  })

const optionsOf = Effect.fnUntraced(function* ({ concurrency, dependencies, includeDev, rate, registry }: Flags) {
  if (concurrency < 1 || concurrency > CONCURRENCY_MAX) {
    return yield* invalid("--concurrency", `${concurrency} is out of range`, `Give 1 to ${CONCURRENCY_MAX}.`)
  }
  if (!(rate > 0 && rate <= RATE_MAX)) {
    return yield* invalid(
      "--rate",
      `${rate} is out of range`,
      `Give requests a second, more than 0 and up to ${RATE_MAX}.`
    )
  }
  const { timeoutMs } = yield* Session
  return {
    registry: yield* RegistryClient.parse(registry),
    rate,
    concurrency,
    dependencies,
    development: includeDev,
    userAgent: `ls-cli/${VERSION} (LibreSeed mirror) node/${process.versions.node}`,
    node: process.versions.node,
    limit: timeoutMs
  } satisfies Mirror.Options
})

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

const sum = (sizes: ReadonlyArray<number | undefined>): number =>
  sizes.reduce<number>((all, each) => all + (each ?? 0), 0)

const describe = ({ deprecated, integrity, name, tarball, version }: Picked) => ({
  name,
  version,
  tarball,
  integrity: integrity ?? null,
  ...(deprecated === "" ? {} : { deprecated })
})

/** `express@5.3.0   54.1 kB   new`. */
const table = (rows: ReadonlyArray<readonly [label: string, size: string, state: string]>): ReadonlyArray<string> => {
  const widths = [0, 1].map((column) => Math.max(0, ...rows.map((row) => row[column]!.length)))
  return rows.map(([label, size, state]) => `  ${label.padEnd(widths[0]!)}  ${size.padStart(widths[1]!)}  ${state}`)
}

type Opened = Effect.Success<ReturnType<typeof Mirror.open>>

const planOf = Effect.fnUntraced(function* (opened: Opened, specs: ReadonlyArray<string>) {
  const output = yield* Output
  const requests = yield* requestsOf(specs)
  const plan = yield* output.task(`Asking ${opened.registry} for ${specs.join(", ")}`, () => opened.plan(requests))
  yield* output.note(
    opened.isSigned
      ? "The registry signs what it says of packages: every signature is checked."
      : "The registry signs nothing: what it says is taken as it comes over the connection."
  )
  yield* Effect.forEach(plan.notes, (note) => output.note(`Note: ${note}`), { discard: true })
  return plan
})

const rehearse = Effect.fnUntraced(function* (
  opened: Opened,
  specs: ReadonlyArray<string>,
  publisher: PublicKey.PublicKey
) {
  const output = yield* Output
  const plan = yield* planOf(opened, specs)
  const picked = [...plan.packages.values()]
  yield* output.task("Looking what of that is published", () => opened.checkNames(publisher, picked))
  const found = yield* output.task("Asking for the sizes", () =>
    Effect.forEach(
      picked,
      Effect.fnUntraced(function* (each) {
        const { isDone } = yield* opened.isDone(publisher, each)
        const size = isDone ? undefined : Option.getOrUndefined(yield* opened.size(each.tarball))
        return { each, isDone, size }
      }),
      { concurrency: CONCURRENCY_MAX }
    )
  )
  const fresh = found.filter(({ isDone }) => !isDone)
  const total = sum(fresh.map(({ size }) => size))
  yield* output.result(
    {
      dryRun: true,
      registry: opened.registry,
      publisher: PublicKey.toBase64(publisher),
      packages: found.map(({ each, isDone, size }) => ({
        ...describe(each),
        size: size ?? null,
        unpackedSize: each.unpackedSize ?? null,
        state: isDone ? "unchanged" : "new"
      })),
      totalBytes: total,
      notes: plan.notes
    },
    [
      ...table(
        found.map(({ each, isDone, size }) => [
          each.id,
          isDone ? "" : size === undefined ? "? B" : Progress.size(size),
          isDone ? STATES.unchanged : "new"
        ])
      ),
      `Nothing was written. Mirroring would fetch and publish ${plural(fresh.length, "package")}, ${Progress.size(total)}.`
    ]
  )
})

const tellRivals = Effect.fnUntraced(function* ({ mirrored }: Mirror.Outcome) {
  const output = yield* Output
  const contested = mirrored.filter(({ rivals }) => rivals.length > 0)
  if (contested.length === 0) return
  const shown = contested.slice(0, RIVALS_SHOWN).map(({ picked }) => picked.name)
  const more = contested.length > shown.length ? ` and ${contested.length - shown.length} more` : ""
  yield* output.note(
    `Others publish ${shown.join(", ")}${more}, too: who installs by name takes whom their policy says. To have yours: --publisher <your key>.`
  )
})

const failureOf = ({ failed, mirrored }: Mirror.Outcome) =>
  fail(
    new MirrorIncomplete({
      failed: failed.length,
      of: failed.length + mirrored.length,
      problem: failed[0]?.problem ?? "",
      exitCode: failed[0]?.exitCode ?? ExitCode.internal
    })
  )

const mirror = Effect.fnUntraced(function* (
  opened: Opened,
  specs: ReadonlyArray<string>,
  keyPair: Effect.Success<ReturnType<Keystore["Service"]["load"]>>
) {
  const output = yield* Output
  const plan = yield* planOf(opened, specs)
  const outcome = yield* output.task(`Mirroring ${plural(plan.packages.size, "package")}`, (update) =>
    PublicationLock.alone(opened.run(keyPair, plan, ({ done, last, total }) => update(`${done} of ${total}, ${last}`)))
  )
  const { failed, lacking, mirrored, notes } = outcome
  yield* output.result(
    {
      registry: opened.registry,
      publisher: PublicKey.toBase64(keyPair.publicKey),
      mirrored: mirrored.map(({ picked, rivals, state, stored }) => ({
        ...describe(picked),
        state,
        size: stored.release.s[1],
        infohash: Infohash.toHex(stored.release.ih),
        ...(rivals.length === 0 ? {} : { rivals: rivals.map(PublicKey.toBase64) })
      })),
      failed: failed.map(({ picked, problem }) => ({ ...describe(picked), problem })),
      notes
    },
    [
      ...table(
        mirrored.map(({ picked, state, stored }) => [picked.id, Progress.size(stored.release.s[1]), STATES[state]])
      ),
      ...failed.map(({ picked, problem }) => `  ${picked.id}  failed: ${problem}`),
      `Mirrored ${plural(mirrored.length, "package")} of ${opened.registry} as ${PublicKey.toBase64(keyPair.publicKey)}`
    ]
  )
  yield* tellRivals(outcome)
  if (failed.length > 0) return yield* failureOf(outcome)
  if (lacking !== undefined) return yield* lacking
  yield* output.note("This command does not serve them. To serve them: ls-cli seed (again, if one is running)")
})

export const run = Effect.fnUntraced(function* (specs: ReadonlyArray<string>, flags: Flags) {
  const session = yield* Session
  if (session.offline) return yield* new DhtError({ reason: new NetworkForbidden({ purpose: "mirror a registry" }) })
  const keyName = yield* keyNameOf(flags.key)
  const acks = yield* acksOf(flags.minAcks)
  const options = yield* optionsOf(flags)
  yield* requestsOf(specs)
  if (!flags.dryRun) yield* session.writable
  yield* Effect.gen(function* () {
    const keyPair = yield* Effect.flatMap(Keystore, (keystore) => keystore.load(keyName))
    const opened = yield* Mirror.open(options)
    return yield* flags.dryRun ? rehearse(opened, specs, keyPair.publicKey) : mirror(opened, specs, keyPair)
  }).pipe(tellingOwner, Effect.provideService(Quorum.MinAcks, acks), Effect.scoped, Network.provide)
})
