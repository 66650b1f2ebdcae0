namespace FastExit.Commands;

/// <summary>A command that cannot be carried out. The message is one line: what is wrong and how to mend it.</summary>
public sealed class CommandException : Exception
{
    public CommandException(string message)
        : base(message)
    {
    }

    public CommandException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
