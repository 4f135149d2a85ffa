/**
 * `ls-cli store verify` reads all that this home has stored, and repairs what is damaged when asked to; `ls-cli store
 * prune` makes room. Neither asks the network but for a repair.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ExitCode } from "../../protocol/core/Errors.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import * as RepairRelease from "../../protocol/swarm/RepairRelease.ts"
import * as LockedRelease from "../../protocol/trust/LockedRelease.ts"
import * as KnownProjects from "../../runtime/store/KnownProjects.ts"
import * as StoreCheck from "../../runtime/store/StoreCheck.ts"
import * as StorePrune from "../../runtime/store/StorePrune.ts"
import * as UnpackedReleases from "../../runtime/store/UnpackedReleases.ts"
import { Output } from "../Output.ts"
import { size } from "../Progress.ts"
import { Session } from "../Session.ts"
import { InvalidArgument } from "../Settings.ts"
import * as Network from "./Network.ts"
import { provideStores, withIndex } from "./StoreIndexed.ts"
import { counted } from "./StoreView.ts"

/** Something in the store is damaged, and was not repaired. */
export class StoreDamaged extends Schema.TaggedError<StoreDamaged>()("StoreDamaged", {
  damaged: Schema.Int,
  wasTried: Schema.Boolean
}) {
  readonly exitCode = ExitCode.storage
  get hint() {
    return this.wasTried
      ? "Nobody has it just now, or the disk refuses it: try again later, or remove it with ls-cli store prune."
      : "Nothing of it is served or installed. Have it repaired from the swarm: ls-cli store verify --repair"
  }
  override get message() {
    return `${counted(this.damaged, "thing")} in the store ${this.damaged === 1 ? "is" : "are"} not as ${this.damaged === 1 ? "it was" : "they were"} signed`
  }
}

const damageLine = (damage: StoreCheck.Damage): string => {
  const what = damage.package ?? damage.directory
  const where = damage.kind === "files" ? " (unpacked files)" : damage.kind === "directory" ? " (its record)" : ""
  const outcome = damage.repaired
    ? "repaired"
    : damage.unrepaired === undefined
      ? "damaged"
      : `not repaired: ${damage.unrepaired}`
  return `  ${what}${where}: ${damage.problem} — ${outcome}`
}

const tell = Effect.fnUntraced(function* (report: StoreCheck.Report, wasTried: boolean) {
  const output = yield* Output
  const left = report.damages.filter(({ repaired }) => !repaired).length
  const document = {
    releases: report.releases,
    unpacked: report.unpacked,
    bytes: report.bytes,
    damaged: report.damages.length,
    repaired: report.damages.length - left,
    damages: report.damages.map(({ package: name, publisher, unrepaired, ...damage }) => ({
      ...damage,
      package: name ?? null,
      publisher: publisher ?? null,
      unrepaired: unrepaired ?? null
    }))
  }
  const read = `${counted(report.releases, "release")} (${size(report.bytes)}) and ${counted(report.unpacked, "unpacked one")}`
  yield* output.result(document, [
    report.damages.length === 0
      ? `Read ${read}: all as signed`
      : `Read ${read}: ${report.damages.length} damaged${wasTried ? `, ${report.damages.length - left} repaired` : ""}`,
    ...report.damages.map(damageLine)
  ])
  if (left > 0) return yield* new StoreDamaged({ damaged: left, wasTried })
})

const checked = <R>(options: StoreCheck.Options<R>) =>
  Effect.flatMap(Output, (output) =>
    output.task("Reading what is stored", (update) =>
      StoreCheck.run({ ...options, onProgress: (done, of) => update(`${done} of ${of}`) })
    )
  )

/** Without the network nothing is changed. */
export const verify = Effect.fnUntraced(function* (repairs: boolean) {
  if (!repairs) return yield* tell(yield* provideStores(checked<never>({})), false)
  const session = yield* Session
  yield* session.writable
  const repairing = Effect.gen(function* () {
    const timeout = yield* session.downloadMs
    return yield* checked({
      repair: (stored) => RepairRelease.repair(stored, { timeout }),
      recover: ({ name, publisher, version }) =>
        Effect.flatMap(LockedRelease.find(publisher, name, version), (choice) =>
          RepairRelease.recover(choice, { timeout })
        )
    })
  })
  const report = yield* Network.provide(Effect.provide(repairing, UnpackedReleases.layer))
  return yield* tell(report, true)
})

const DAYS_MAX = 36_500

const ruleOf = Effect.fnUntraced(function* (olderThan: Option.Option<number>) {
  if (Option.isSome(olderThan)) {
    const days = olderThan.value
    if (days >= 0 && days <= DAYS_MAX) return { _tag: "Days", days } satisfies StorePrune.Rule as StorePrune.Rule
    return yield* new InvalidArgument({
      argument: "--older-than",
      problem: `${days} is out of range`,
      hint: `Give days, from 0 to ${DAYS_MAX}.`
    })
  }
  const projects = yield* KnownProjects.list()
  if (projects.length > 0) return { _tag: "Projects", projects } satisfies StorePrune.Rule as StorePrune.Rule
  return yield* new InvalidArgument({
    argument: "prune",
    problem: "knows no project that uses this store, so that everything but your own packages would go",
    hint: "Say how long ago something must have been of use to stay: ls-cli store prune --older-than 30"
  })
})

export interface PruneFlags {
  readonly olderThan: Option.Option<number>
  readonly dryRun: boolean
}

export const prune = ({ dryRun, olderThan }: PruneFlags) =>
  Effect.gen(function* () {
    const output = yield* Output
    const session = yield* Session
    if (!dryRun) yield* session.writable
    const rule = yield* ruleOf(olderThan)
    const { planned, illegible } = yield* withIndex(({ index, refreshed }) =>
      Effect.gen(function* () {
        const planned = yield* StorePrune.plan(yield* index.all, rule)
        if (!dryRun) {
          yield* output.task("Removing", () => StorePrune.carryOut(planned))
          yield* index.refresh
        }
        return { planned, illegible: refreshed.illegible.length }
      })
    )
    const document = {
      removed: planned.releases.map(({ bytes, name, publisher, version }) => ({
        name,
        version,
        publisher: PublicKey.toBase64(publisher),
        bytes
      })),
      unpacked: planned.unpacked.length,
      places: planned.modules.length,
      downloads: planned.downloads.length,
      kept: planned.kept,
      bytesFreed: planned.bytes,
      ...(dryRun ? { dryRun: true } : {})
    }
    const what = `${counted(planned.releases.length, "release")}, ${counted(planned.unpacked.length, "unpacked one")} and ${counted(planned.downloads.length, "download")} that ${planned.downloads.length === 1 ? "was" : "were"} cut off`
    yield* output.result(document, [
      `${dryRun ? "Would remove" : "Removed"} ${what}: ${size(planned.bytes)}${dryRun ? "" : " freed"}`,
      ...document.removed.map(({ name, version }) => `  ${name}@${version}`),
      ...(document.places === 0
        ? []
        : [`  ${counted(document.places, "place")} from which programs imported what goes`]),
      `${counted(planned.kept, "release")} ${planned.kept === 1 ? "stays" : "stay"}`
    ])
    if (illegible > 0) {
      yield* output.note(
        `${counted(illegible, "directory")} could not be read and stay: ls-cli store verify tells more`
      )
    }
  }).pipe(provideStores)
