using FastExit.Topology;

namespace FastExit.Bench.Lab.Api;

/// <summary>
/// What the directory knows now: the lab's folder, read again when its files were written anew, and what the exit says itself. Any thread.
/// </summary>
internal sealed class DirectoryContent
{
    private readonly Lock _lock = new();
    private readonly LabDirectory _lab;
    private DirectorySettings _settings;
    private DateTime _topologyWritten;
    private DateTime _exitWritten;
    private NetworkTopology _topology;
    private ExitAddress? _exit;
    private RotationClock _clock;
    private ExitDescription? _description;

    /// <exception cref="TopologyException">The folder has no topology.</exception>
    public DirectoryContent(LabDirectory lab, DirectorySettings settings)
    {
        _lab = lab;
        _settings = settings;
        _topologyWritten = File.GetLastWriteTimeUtc(lab.TopologyFile);
        _topology = lab.Topology();
        _clock = MakeClock();
        ReadExit();
    }

    /// <summary>May be changed while it runs; where it listens, and the length of epochs, stay.</summary>
    public DirectorySettings Settings
    {
        get
        {
            lock (_lock)
                return _settings;
        }

        set
        {
            lock (_lock)
                _settings = value;
        }
    }

    public RotationClock Clock
    {
        get
        {
            lock (_lock)
                return _clock;
        }
    }

    public DirectoryNode[] Nodes()
    {
        lock (_lock)
        {
            Refresh();
            DirectoryNode[] nodes = DirectoryNode.From(_topology, _exit, _settings);
            if (_description is not { } description)
                return nodes;
            return [.. nodes.Select(node => node.Identity == description.Identity ? description.Describe(node, _clock.Rotation) : node)];
        }
    }

    /// <summary>From now on the exit is what it says itself; one with another identity is somebody else.</summary>
    public bool Use(ExitDescription description)
    {
        lock (_lock)
        {
            if (!DirectoryNode.From(_topology, _exit, _settings).Any(node => node.Identity == description.Identity && !node.IsMix))
                return false;
            _description = description;
            return true;
        }
    }

    private void Refresh()
    {
        DateTime written = File.GetLastWriteTimeUtc(_lab.TopologyFile);
        if (written != _topologyWritten)
        {
            try
            {
                uint before = _topology.RotationId;
                _topology = _lab.Topology();
                _topologyWritten = written;
                if (_settings.Epoch is null && _topology.RotationId != before)
                    _clock = MakeClock();
            }
            catch (TopologyException e)
            {
                CommandText.Log($"the directory keeps its nodes: {e.Message}");
            }
        }

        if (File.GetLastWriteTimeUtc(_lab.ExitFile) != _exitWritten)
            ReadExit();
    }

    private RotationClock MakeClock() => new(_topology.RotationId, _settings.Epoch, _settings.ValidityEpochs, _settings.Clock);

    private void ReadExit()
    {
        try
        {
            _exitWritten = File.GetLastWriteTimeUtc(_lab.ExitFile);
            _exit = File.Exists(_lab.ExitFile) ? _lab.Exit() : null;
        }
        catch (LabException e)
        {
            CommandText.Log($"the directory knows no exit: {e.Message}");
        }
    }
}
