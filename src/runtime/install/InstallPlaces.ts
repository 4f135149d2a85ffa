/**
 * What an install fills in a `node_modules`, by paths relative to it with `/`. Whatever says where something is to
 * be put or taken away, and was read from a file, is compared with this: no journal and no state leads anywhere else.
 */

/** Where something may be put: a package's name, a command in `.bin`, the file that says what is installed. */
export const PLACE = /^(?:(?:@[^/\\]+\/)?[^./\\@][^/\\]*|\.bin\/(?!\.{1,2}$)[^/\\]+|\.libreseed\/state\.json)$/

/** A package's name alone. */
export const isPackageName = (name: string): boolean => PLACE.test(name) && !name.startsWith(".")

/** The name of a command in `.bin`. */
export const isCommand = (name: string): boolean => PLACE.test(`.bin/${name}`)
