using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using System.Text;
using FastExit.Configuration;
using FastExit.Identity;
using FastExit.Topology;

namespace FastExit.Commands;

/// <summary>
/// `fastexit init`: a data directory with keys and a commented config.toml. Keys that are there stay, even with `--force`, which only
/// replaces config.toml. When anything fails, what this call made is removed again.
/// </summary>
internal static class InitCommand
{
    private const int DefaultPort = 1789;
    private const uint DefaultRotation = 1;

    public static Command Create()
    {
        var dataDirectory = CommandLine.DataDirectory(required: true);
        var announce = new Option<IPEndPoint?>("--announce")
        {
            Description = "Mix address as other nodes reach it (default: this host's own address)",
            HelpName = "IP:PORT",
            CustomParser = CommandLine.Endpoint,
        };
        var listen = new Option<string[]>("--listen")
        {
            Description = $"Address that mix nodes connect to (repeatable; default [::]:{DefaultPort})",
            HelpName = "IP:PORT",
            DefaultValueFactory = _ => [],
        };
        var topology = new Option<string?>("--topology")
        {
            Description = "JSON list of the network's nodes; may be written later (default: topology.json in the data directory)",
            HelpName = "FILE",
        };
        var rotation = new Option<uint?>("--rotation")
        {
            Description = $"Key rotation of the Sphinx key (default: the topology's, or {DefaultRotation})",
            HelpName = "ID",
        };
        var http = new Option<IPEndPoint?>("--http-listen")
        {
            Description = "Address of the HTTP interface by which the network learns of this node, usually [::]:8080 (default: none)",
            HelpName = "IP:PORT",
            CustomParser = CommandLine.Endpoint,
        };
        var force = new Option<bool>("--force") { Description = "Replaces config.toml; keys stay" };
        var command = new Command("init", "Makes the data directory of a new node: keys and config.toml")
        {
            dataDirectory, announce, listen, http, topology, rotation, force,
        };
        command.SetAction(parsed => Initialize(
            Path.GetFullPath(parsed.GetRequiredValue(dataDirectory)),
            parsed.GetValue(announce),
            parsed.GetValue(listen) ?? [],
            parsed.GetValue(http),
            parsed.GetValue(topology),
            parsed.GetValue(rotation),
            parsed.GetValue(force)));
        return command;
    }

    private static int Initialize(
        string dataDirectory, IPEndPoint? announce, IReadOnlyList<string> listen, IPEndPoint? http, string? topology, uint? rotation, bool force)
    {
        var configuration = ConfigurationFile.PathIn(dataDirectory);
        if (Path.Exists(configuration) && !force)
            throw new CommandException($"{configuration}: is there already; --force replaces it (keys stay), or choose another --data-dir");
        if (File.Exists(dataDirectory))
            throw new CommandException($"{dataDirectory}: is a file; choose another --data-dir");

        var guessed = announce is null;
        var settings = Compose(dataDirectory, announce, listen, topology);
        settings = settings with { Node = settings.Node with { HttpListen = http } };
        var text = ConfigurationFile.Format(settings);
        settings = ConfigurationFile.Parse(dataDirectory, "init", text, []);
        rotation ??= File.Exists(settings.TopologyFile) ? NetworkTopology.Load(settings.TopologyFile).RotationId : DefaultRotation;

        var madeDirectory = !Directory.Exists(dataDirectory);
        var madeKeys = false;
        NodeKeys? keys = null;
        try
        {
            Directory.CreateDirectory(dataDirectory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            if (Path.Exists(NodeKeys.DirectoryIn(dataDirectory)))
            {
                keys = NodeKeys.Load(dataDirectory);
            }
            else
            {
                keys = NodeKeys.Generate(rotation.Value);
                keys.Save(dataDirectory);
                madeKeys = true;
            }

            DurableFile.Write(configuration, Encoding.UTF8.GetBytes(text), DurableFile.PublicFile);
            Report(configuration, settings, keys, guessed);
            return CommandLine.Done;
        }
        catch (Exception error)
        {
            Remove(dataDirectory, madeDirectory, madeKeys);
            if (error is FileNotFoundException or DirectoryNotFoundException)
                throw new CommandException($"{dataDirectory}: this file system takes no new folder there; choose another --data-dir", error);
            if (error is IOException or UnauthorizedAccessException)
                throw new CommandException($"{dataDirectory}: cannot be written ({OperatorErrors.OneLine(error.Message).TrimEnd('.')}); check its rights and free space", error);
            throw;
        }
        finally
        {
            keys?.Dispose();
        }
    }

    private static ExitSettings Compose(string dataDirectory, IPEndPoint? announce, IReadOnlyList<string> listen, string? topology)
    {
        var listeners = new List<IPEndPoint>();
        foreach (var address in listen)
        {
            if (!EndpointText.TryParse(address, out var endpoint))
                throw new ConfigurationException($"--listen {TomlAssignments.Printable(address)}: must be IP:PORT, such as 0.0.0.0:{DefaultPort} or [::]:{DefaultPort}");
            listeners.Add(endpoint);
        }

        if (announce is not null && (announce.Port == 0 || !SettingDraft.IsOneHost(announce.Address)))
            throw new ConfigurationException($"--announce {announce}: nobody can connect to that; give the address and port that mix nodes reach, such as 192.0.2.1:{DefaultPort}");
        var port = listeners.FirstOrDefault(address => address.Port != 0)?.Port ?? DefaultPort;
        var settings = ConfigurationFile.Defaults(dataDirectory, announce ?? new IPEndPoint(OwnAddress(), port));
        if (listeners.Count > 0)
            settings = settings with { MixLink = settings.MixLink with { Listen = listeners } };
        return topology is null ? settings : settings with { TopologyFile = Path.GetFullPath(topology) };
    }

    // Connecting a datagram socket sends nothing; the kernel picks the address of the default route.
    private static IPAddress OwnAddress()
    {
        foreach (var (family, probe) in new[] { (AddressFamily.InterNetwork, "192.0.2.1"), (AddressFamily.InterNetworkV6, "2001:db8::1") })
        {
            try
            {
                using var socket = new Socket(family, SocketType.Dgram, ProtocolType.Udp);
                socket.Connect(IPAddress.Parse(probe), DefaultPort);
                return ((IPEndPoint)socket.LocalEndPoint!).Address;
            }
            catch (SocketException)
            {
                // No route for this family.
            }
        }

        return IPAddress.Loopback;
    }

    private static void Report(string configuration, ExitSettings settings, NodeKeys keys, bool guessed)
    {
        Console.WriteLine($"wrote {configuration}");
        Console.WriteLine($"announced {settings.MixLink.Announced}{(guessed ? " (guessed: give --announce if others reach this node elsewhere)" : "")}");
        Console.WriteLine($"network requester {keys.NetworkRequester.Address}");
        if (keys.IpPacketRouter is { } router)
            Console.WriteLine($"ip packet router {router.Address}");
        if (!File.Exists(settings.TopologyFile))
            Console.WriteLine($"next: put the network's nodes into {settings.TopologyFile}");
        Console.WriteLine($"next: fastexit check --data-dir {settings.DataDirectory}");
        if (settings.Node.HttpListen is not null)
            Console.WriteLine($"next: fastexit node describe --data-dir {settings.DataDirectory}");
    }

    private static void Remove(string dataDirectory, bool madeDirectory, bool madeKeys)
    {
        try
        {
            if (madeKeys)
                Directory.Delete(NodeKeys.DirectoryIn(dataDirectory), recursive: true);
            if (madeDirectory && Directory.Exists(dataDirectory))
                Directory.Delete(dataDirectory);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The first failure is the one worth reporting.
        }
    }
}
