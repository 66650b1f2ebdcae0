namespace FastExit.Bench.Micro.Compare;

/// <summary>An innermost loop of a compiled method, or the whole of a method that has no loop.</summary>
/// <param name="Method">Class and name.</param>
/// <param name="Tier">As the compiler calls it.</param>
/// <param name="IsLoop">False: the whole method.</param>
/// <param name="Instructions">In it.</param>
/// <param name="Vector">Of them with vector registers.</param>
/// <param name="StackAccesses">Of them with an operand in the stack.</param>
/// <param name="Calls">Of them.</param>
internal sealed record KernelLoop(string Method, string Tier, bool IsLoop, int Instructions, int Vector, int StackAccesses, int Calls);
