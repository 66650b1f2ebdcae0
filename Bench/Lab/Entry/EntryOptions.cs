using System.CommandLine;
using System.Net;

namespace FastExit.Bench.Lab.Entry;

/// <summary>What the command line says of an entry gateway.</summary>
internal sealed class EntryOptions
{
    private readonly Option<IPEndPoint?> _listen = new("--entry-ws")
    {
        Description = "Where the entry gateway takes clients by websocket; port 0 takes one that is free",
        DefaultValueFactory = _ => new IPEndPoint(IPAddress.Loopback, 0),
        CustomParser = CommandText.ParseListener,
    };

    private readonly Option<int> _protocol = new("--entry-protocol")
    {
        Description = "The newest protocol that the entry gateway announces",
        DefaultValueFactory = _ => EntrySettings.NewestProtocol,
        CustomParser = CommandText.NumberBetween(1, 9),
    };

    public void AddTo(Command command)
    {
        command.Options.Add(_listen);
        command.Options.Add(_protocol);
    }

    public IPEndPoint Listen(ParseResult result) => result.GetValue(_listen)!;

    public EntrySettings Read(ParseResult result) => new() { AnnouncedProtocol = (byte)result.GetValue(_protocol) };
}
