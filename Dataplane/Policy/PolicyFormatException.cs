using System.Globalization;

namespace FastExit.Policy;

/// <summary>
/// A policy that cannot be read. The message is one line for an operator: where, what is wrong, how to mend it. One bad
/// line refuses the whole policy, so that a typing error cannot open an exit by dropping a reject.
/// </summary>
public sealed class PolicyFormatException : Exception
{
    /// <summary>An error without a place.</summary>
    public PolicyFormatException()
        : this("policy", 0, "the policy cannot be read", "check its rules")
    {
    }

    /// <summary>An error with a ready message.</summary>
    public PolicyFormatException(string message)
        : base(message) => (Source, Problem, Mend) = ("policy", message, "");

    /// <summary>An error with a ready message and its cause.</summary>
    public PolicyFormatException(string message, Exception innerException)
        : base(message, innerException) => (Source, Problem, Mend) = ("policy", message, "");

    /// <summary>An error in one line; line 0 means the policy as a whole.</summary>
    public PolicyFormatException(string source, int line, string problem, string mend)
        : base(Compose(source, line, problem, mend)) => (Source, Line, Problem, Mend) = (source, line, problem, mend);

    /// <summary>File path, address or name of the text.</summary>
    public override string? Source { get; set; }

    /// <summary>Line number from 1; 0 when no single line is to blame.</summary>
    public int Line { get; }

    /// <summary>What is wrong.</summary>
    public string Problem { get; }

    /// <summary>How to mend it.</summary>
    public string Mend { get; }

    private static string Compose(string source, int line, string problem, string mend) => line > 0
        ? string.Create(CultureInfo.InvariantCulture, $"{source}, line {line}: {problem}. To mend it, {mend}.")
        : $"{source}: {problem}. To mend it, {mend}.";
}
