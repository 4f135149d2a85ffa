/** What in a package would keep everybody from installing or using it: to be told before it is published, for good. */
import * as Result from "effect/Result"
import * as PackageSpec from "../core/PackageSpec.ts"
import type { Manifest } from "./Manifest.ts"

type Metadata = Partial<
  Pick<Manifest, "dependencies" | "optionalDependencies" | "peerDependencies" | "peerDependenciesMeta" | "bin">
>

type Texts = { readonly [name: string]: string }

const problemsIn = (texts: Texts | undefined): ReadonlyArray<readonly [name: string, problem: string]> =>
  Object.entries(texts ?? {}).flatMap(([name, range]): ReadonlyArray<readonly [string, string]> => {
    const spec = PackageSpec.parse(range.trim() === "" ? name : `${name}@${range}`)
    return Result.isFailure(spec) ? [[name, spec.failure.message]] : []
  })

/** Dependencies without which it cannot be installed, and that nobody can resolve. One sentence each. */
export const obstaclesOf = ({ dependencies, peerDependencies, peerDependenciesMeta = {} }: Metadata) => [
  ...problemsIn(dependencies).map(([, problem]) => `its dependency ${problem}`),
  ...problemsIn(peerDependencies)
    .filter(([name]) => !Object.hasOwn(peerDependenciesMeta, name) || peerDependenciesMeta[name]?.optional !== true)
    .map(([, problem]) => `its peer dependency ${problem}`)
]

/** What will be missing in it: optional dependencies that nobody can resolve, and commands without a file. */
export const lacksOf = ({ bin, optionalDependencies }: Metadata, files: ReadonlySet<string>): ReadonlyArray<string> => [
  ...problemsIn(optionalDependencies).map(([, problem]) => `its optional dependency ${problem}: nobody will get it`),
  ...Object.entries(bin ?? {})
    .filter(([, path]) => !files.has(path.replace(/^(?:\.?\/)+/, "")))
    .map(([command, path]) => `its command ${command} is to be ${path}, which is not among its files`)
]
