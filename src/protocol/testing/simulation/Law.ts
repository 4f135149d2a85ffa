/** Safety: what holds at every moment of a simulation. */
export interface Law {
  readonly title: string
  /** What is wrong, or `undefined`. Asked after everything that changed a disk, a step or a fault: to be quick. */
  readonly broken: () => string | undefined
}
