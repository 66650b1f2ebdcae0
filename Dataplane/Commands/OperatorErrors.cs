using System.Net.Sockets;
using FastExit.Configuration;
using FastExit.Identity;
using FastExit.Native.Sockets;
using FastExit.Policy;
using FastExit.Topology;

namespace FastExit.Commands;

/// <summary>Turns every failure into one line for standard error.</summary>
internal static class OperatorErrors
{
    public static string Line(Exception error)
    {
        while (error is AggregateException { InnerException: { } inner })
            error = inner;
        var message = error switch
        {
            CommandException or ConfigurationException or KeyFileException or TopologyException or PolicyFormatException
                or NativeException or IOException or UnauthorizedAccessException or SocketException => error.Message,
            OutOfMemoryException => "out of memory; lower the sizes under [memory] in config.toml",
            _ => $"unexpected {error.GetType().Name}: {error.Message}",
        };
        return $"fastexit: {OneLine(message)}";
    }

    public static string OneLine(string text) =>
        string.Join(' ', text.Split(['\r', '\n', '\u0085', '\u2028', '\u2029'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
}
