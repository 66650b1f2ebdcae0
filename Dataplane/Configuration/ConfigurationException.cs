namespace FastExit.Configuration;

/// <summary>A configuration that cannot be used. The message is one line: file, line, key, what is wrong, how to mend it.</summary>
public sealed class ConfigurationException : Exception
{
    public ConfigurationException(string message)
        : base(message)
    {
    }

    public ConfigurationException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
