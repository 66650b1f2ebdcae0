namespace FastExit.Commands;

/// <summary>How a check of the host ended; only <see cref="Fail"/> keeps an exit from serving.</summary>
internal enum FindingLevel
{
    Ok,
    Warn,
    Fail,
}

/// <summary>One line of `fastexit check`: what was looked at, what was seen, and for everything but Ok how to mend it.</summary>
internal sealed record Finding(FindingLevel Level, string Subject, string Seen, string Mend = "")
{
    public static Finding Ok(string subject, string seen) => new(FindingLevel.Ok, subject, seen);

    public static Finding Warn(string subject, string seen, string mend) => new(FindingLevel.Warn, subject, seen, mend);

    public static Finding Fail(string subject, string seen, string mend) => new(FindingLevel.Fail, subject, seen, mend);

    /// <summary>From an operator's error: what stands after its last semicolon is the mend; <paramref name="otherwise"/> where it has none.</summary>
    public static Finding Fail(string subject, Exception error, string otherwise)
    {
        var message = OperatorErrors.OneLine(error.Message);
        var end = message.LastIndexOf("; ", StringComparison.Ordinal);
        return end < 0 ? Fail(subject, message, otherwise) : Fail(subject, message[..end], message[(end + 2)..]);
    }
}
