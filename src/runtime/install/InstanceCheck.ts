/**
 * Whether an instance that an earlier install put in place is whole: every file there with its size, every link
 * leading where it has to. What is not is made anew. It is a quick look, as that at the store is: what somebody
 * wrote with the same length `ls-cli verify` finds.
 */
import * as Fs from "node:fs"
import * as Bins from "./Bins.ts"
import { linkAt, MODULES, PACKAGE_JSON, packageDirectory } from "./InstalledState.ts"
import * as PlaceInstances from "./PlaceInstances.ts"

const sizeOf = (location: string): number | undefined => {
  const info = Fs.lstatSync(location, { throwIfNoEntry: false })
  return info?.isFile() === true ? info.size : undefined
}

const hasFiles = (own: string, { index, isCopied }: PlaceInstances.Instance): boolean => {
  // What its own scripts made of it nobody knows.
  if (isCopied) return sizeOf(`${own}/${PACKAGE_JSON}`) !== undefined
  const commands = new Set(Bins.commandsOf(index).values())
  return index.files.every(([path, size]) => {
    const found = sizeOf(`${own}/${path}`)
    // The first line of a command may have been written for Windows.
    return found === size || (commands.has(path) && found === size - 1)
  })
}

const hasLinks = (modules: string, { dependencies, directory, name }: PlaceInstances.Instance): boolean =>
  [...dependencies].every(
    ([dependency, target]) =>
      linkAt(PlaceInstances.linkOf(modules, directory, name, dependency))?.endsWith(
        `/${target.directory}/${MODULES}/${target.name}`
      ) === true
  )

/** `commandsOf` are the commands of an instance, by its directory. Never fails. */
export const isWhole = (
  modules: string,
  instance: PlaceInstances.Instance,
  commandsOf: (directory: string) => Bins.Commands
): boolean => {
  const { dependencies, directory, name } = instance
  const own = packageDirectory(modules, directory, name)
  const beside = own.slice(0, -name.length)
  try {
    const others = [...dependencies].flatMap(([dependency, target]) => (dependency === name ? [] : [target.directory]))
    const isLinked = (each: string) =>
      [...commandsOf(each).keys()].every((command) => Fs.existsSync(`${beside}${Bins.BIN}/${command}`))
    return hasFiles(own, instance) && hasLinks(modules, instance) && [directory, ...others].every(isLinked)
  } catch {
    // A directory that is a file now (ENOTDIR), or one that may not be entered.
    return false
  }
}
