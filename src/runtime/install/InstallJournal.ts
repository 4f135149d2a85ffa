/**
 * What an install is about to do to `node_modules`, written into its staging directory before the first
 * move and removed after the last: while it is there, the tree may be between old and new, and the old
 * one can be made from what it says. Its removal is therefore the one step that makes an install count.
 *
 * It is input from a file: it names only places that an install fills and names directly in the staging
 * directory, so that no journal, whoever wrote it, leads anywhere else.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { ExitCode } from "../../protocol/core/Errors.ts"
import * as AtomicFile from "../store/AtomicFile.ts"
import { isNotFound } from "../store/PlatformProblem.ts"
import { PLACE } from "./InstallPlaces.ts"

const FILE = "journal.json"
const FORMAT = 2
/** Some ten thousand packages; a longer file is none of ours and is not read into memory. */
const MAX_BYTES = 4 * 1024 * 1024

/** A journal that no install wrote, or that was changed since. Nothing of what it says was done. */
export class JournalDamaged extends Schema.TaggedError<JournalDamaged>()("JournalDamaged", {
  directory: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.storage
  get hint() {
    return `Look into ${this.directory}: directories named …-old are what was there before. Move back what you need, remove ${this.directory} and run the command again.`
  }
  override get message() {
    return `An interrupted install left ${this.directory}, and its journal cannot be used: ${this.problem}`
  }
}

/** One thing on its way from the staging directory into `node_modules`, or out of it. */
export const Move = Schema.Struct({
  /** Relative to `node_modules`, with `/`. */
  destination: Schema.String.check(Schema.isPattern(PLACE)),
  /**
   * What was there before: nothing; something that is moved aside; or a link or file of which a copy was put aside, so
   * that the new one replaces it in one step and nobody ever finds nothing there.
   */
  before: Schema.Literals(["nothing", "moved", "copied"]),
  /** Whether something new is put there. */
  puts: Schema.Boolean,
  /** Whether the directory that it is in had to be made. */
  newParent: Schema.Boolean,
  /** Name in the staging directory of what was there before. */
  setAside: Schema.String.check(Schema.isPattern(/^\d{1,6}-old$/))
})
export type Move = typeof Move.Type

const allDiffer = (moves: ReadonlyArray<Move>) =>
  (["destination", "setAside"] as const).every(
    (field) => new Set(moves.map((move) => move[field])).size === moves.length
  )

const Journal = Schema.Struct({
  format: Schema.Literal(FORMAT),
  moves: Schema.Array(Move).check(
    Schema.makeFilter((moves: ReadonlyArray<Move>) => allDiffer(moves) || "moves of different directories")
  )
})
const JournalJson = Schema.fromJsonString(Journal)
const decode = Schema.decodeUnknownEffect(JournalJson, { onExcessProperty: "error" })

/** What is not flushed survives the end of the process, but no power cut. */
export type Durability = "flushed" | "unflushed"

/** Writes the journal, whole, before anything is moved. */
export const write = Effect.fnUntraced(function* (staging: string, moves: ReadonlyArray<Move>, durability: Durability) {
  const path = yield* Path.Path
  const put = durability === "flushed" ? AtomicFile.replace : AtomicFile.createUnflushed
  const journal: typeof Journal.Type = { format: FORMAT, moves }
  yield* put(path.join(staging, FILE), new TextEncoder().encode(JSON.stringify(journal)))
})

/**
 * Takes the journal away: what was moved counts from now on, and everything still in the staging directory is waste.
 * Where that cannot be flushed it counts all the same: what was moved is on the disk, and to move it back on a disk that
 * fails is the greater risk.
 */
export const remove = Effect.fnUntraced(function* (staging: string, durability: Durability) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  yield* fs.remove(path.join(staging, FILE), { force: true })
  if (durability === "flushed") yield* Effect.ignore(AtomicFile.syncDirectory(staging))
})

/** The moves of an install that did not come to its end; `None` when it began none or finished all. */
export const read = Effect.fnUntraced(function* (staging: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = path.join(staging, FILE)
  const damaged = (problem: string) => new JournalDamaged({ directory: staging, problem })
  const info = yield* fs.lstat(file).pipe(
    Effect.asSome,
    Effect.catchIf(isNotFound, () => Effect.succeedNone)
  )
  if (Option.isNone(info)) return Option.none<ReadonlyArray<Move>>()
  if (info.value.type !== "File") return yield* damaged(`${FILE} is not a file`)
  if (info.value.size > MAX_BYTES) return yield* damaged(`it is longer than ${MAX_BYTES} bytes`)
  const text = yield* fs.readFileString(file)
  const { moves } = yield* Effect.mapError(decode(text), (error) => damaged(error.message))
  return Option.some(moves)
})
