/** What in a package would keep everybody from installing or using it: to be told before it is published, for good. */
import * as Result from "effect/Result"
import { type Edge, edgesOf, unbundled } from "./DependencyGraph.ts"
import { wantedOf } from "./DependencyWalk.ts"
import type { Manifest } from "./Manifest.ts"

type Metadata = Partial<
  Pick<Manifest, "dependencies" | "optionalDependencies" | "peerDependencies" | "peerDependenciesMeta" | "bin">
>

const KINDS = { required: "dependency", peer: "peer dependency", optional: "optional dependency" } as const

/** Sentences about the dependencies of some kinds that nobody can resolve, those aside that the package brings along. */
const unresolvable = (metadata: Metadata, files: ReadonlySet<string>, kinds: ReadonlyArray<keyof typeof KINDS>) =>
  edgesOf(unbundled(metadata, (path) => files.has(path))).flatMap((edge: Edge): ReadonlyArray<string> => {
    const kind = kinds.find((each) => each === edge.kind)
    const wanted = kind === undefined ? undefined : wantedOf(edge)
    return kind === undefined || wanted === undefined || Result.isSuccess(wanted)
      ? []
      : [`its ${KINDS[kind]} ${wanted.failure.message}`]
  })

/** Dependencies without which it cannot be installed, and that nobody can resolve. One sentence each. */
export const obstaclesOf = (metadata: Metadata, files: ReadonlySet<string>): ReadonlyArray<string> =>
  unresolvable(metadata, files, ["required", "peer"])

/** What will be missing in it: optional dependencies that nobody can resolve, and commands without a file. */
export const lacksOf = (metadata: Metadata, files: ReadonlySet<string>): ReadonlyArray<string> => [
  ...unresolvable(metadata, files, ["optional"]).map((text) => `${text}: nobody will get it`),
  ...Object.entries(metadata.bin ?? {})
    .filter(([, path]) => !files.has(path.replace(/^(?:\.?\/)+/, "")))
    .map(([command, path]) => `its command ${command} is to be ${path}, which is not among its files`)
]
