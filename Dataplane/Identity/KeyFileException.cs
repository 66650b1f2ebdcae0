namespace FastExit.Identity;

/// <summary>Key files that cannot be used. The message is one line: file, what is wrong, how to mend it. It never has key bytes.</summary>
public sealed class KeyFileException : Exception
{
    public KeyFileException(string message)
        : base(message)
    {
    }

    public KeyFileException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
